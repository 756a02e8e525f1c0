// What is added to the generated types: safe repeats, and batches of usage.
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, paths };
export type BallastClient = Client<paths>;
export type UsageRecord = components["schemas"]["UsageRecord"];
type Judgement = components["schemas"]["Judgement"];

const USAGE = "/api/v1/usage";
const KEY = "Idempotency-Key";
const LONGEST_PAUSE = 60;
const BATCH = 1_000; // the most records that the API takes at once
const UNAVAILABLE = new Set([429, 502, 503, 504]);
const DONE = new Set(["posted", "duplicate", "ended"]);

export interface Repeats {
  attempts?: number;
  /** Seconds before the first repeat; each later pause is twice as long. */
  backoff?: number;
}

/** Returns a client for all operations, which repeats requests where that is safe. */
export function connect(address: string, key: string, repeats: Repeats = {}): BallastClient {
  return createClient<paths>({
    baseUrl: address,
    headers: { Authorization: `Bearer ${key}` },
    fetch: (request) => send(request, repeats),
  });
}

/** Repeats a request that got no answer, or that the server could not serve. Only reads, usage (a
 * reference is posted once) and requests with an `Idempotency-Key` are repeated. */
async function send(request: Request, { attempts = 6, backoff = 0.5 }: Repeats): Promise<Response> {
  const isUsage = request.method === "POST" && new URL(request.url).pathname.endsWith("/usage");
  if (["POST", "PATCH"].includes(request.method) && !isUsage && !request.headers.has(KEY)) {
    request.headers.set(KEY, crypto.randomUUID());
  }
  const isRead = request.method === "GET" || request.method === "HEAD";
  const isRepeatable = isRead || isUsage || request.headers.has(KEY);
  for (let left = isRepeatable ? attempts : 1, pause = backoff; ; pause *= 2) {
    left -= 1;
    let asked = 0;
    try {
      const response = await fetch(request.clone());
      if (left <= 0 || !(await isTemporary(response))) return response;
      asked = Number(response.headers.get("Retry-After")) || 0;
    } catch (error) {
      if (left <= 0 || request.signal.aborted) throw error;
    }
    // Clients that failed together do not come back together.
    const wait = Math.max(asked, pause * (0.5 + Math.random() / 2));
    await sleep(Math.min(wait, LONGEST_PAUSE));
  }
}

async function isTemporary(response: Response): Promise<boolean> {
  if (response.status !== 409) return UNAVAILABLE.has(response.status);
  const problem = await response.clone().json();
  return problem.code === "idempotency_in_progress";
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

/** A record that was not posted, and will not be by sending it again. */
export interface Refused {
  record: UsageRecord;
  /** `conflict`, `invalid` or `too_large`; values may be added. */
  status: string;
  errors: Record<string, string>;
}

/** Records that could not be sent, oldest first. Sending them again later is safe. */
export class Unsent extends Error {
  constructor(
    readonly records: UsageRecord[],
    cause: string,
  ) {
    super(`${records.length} usage records were not sent: ${cause}`);
  }
}

export interface QueueOptions {
  onRefused: (refused: Refused[]) => void;
  /** How long a record waits for others at most. */
  seconds?: number;
  batch?: number;
}

/** Posts usage in batches. A record leaves the queue only when the server has answered for it. */
export class UsageQueue {
  private readonly records: UsageRecord[] = [];
  private sending: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;
  private fault = "";

  constructor(
    private readonly client: BallastClient,
    private readonly options: QueueOptions,
  ) {}

  /** Queues a record. Throws after `close`. */
  add(record: UsageRecord): void {
    if (this.isClosed) throw new Error("the queue is closed");
    this.records.push(record);
    if (this.records.length >= this.size) void this.flush();
    else this.schedule();
  }

  /** Sends what is queued, and ends. Rejects with `Unsent` if that fails. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.flush();
    clearTimeout(this.timer);
    const left = this.records.splice(0);
    if (left.length) throw new Unsent(left, this.fault);
  }

  private get size(): number {
    return this.options.batch ?? BATCH;
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => void this.flush(), (this.options.seconds ?? 1) * 1_000);
  }

  private flush(): Promise<void> {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
      if (this.records.length && !this.isClosed) this.schedule();
    });
    return this.sending;
  }

  private async sendAll(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.records.length) {
      const batch = this.records.slice(0, this.size);
      const judgements = await this.post(batch);
      if (!judgements) return;
      this.records.splice(0, batch.length);
      const refused = judgements
        .filter((it) => !DONE.has(it.status))
        .map(({ index, status, errors = {} }) => ({
          record: batch[index] as UsageRecord,
          status,
          errors,
        }));
      if (refused.length) this.options.onRefused(refused);
    }
  }

  /** Returns what the server has answered for each record; nothing if it has not. */
  private async post(records: UsageRecord[]): Promise<Judgement[] | undefined> {
    try {
      const { data, error } = await this.client.POST(USAGE, { body: { records } });
      const answer = data ?? error;
      if (answer && "records" in answer && answer.records?.length) return answer.records;
      this.fault = error?.detail ?? "the server did not answer";
    } catch (error) {
      this.fault = String(error);
    }
    return undefined;
  }
}
