// What the package of clients/typescript adds, on a server that loses answers and dies.
import { connect, type Refused, Unsent, UsageQueue } from "ballast-client";

declare const process: { argv: string[] };
const [, , address = "", key = "", nobody = ""] = process.argv;
const client = connect(address, key, { attempts: 9, backoff: 0.05 });

/** Says what happens to the next requests. */
async function plan(...what: string[]): Promise<void> {
  await fetch(`${address}/plan`, { method: "POST", body: JSON.stringify(what) });
}

await plan("lose", "busy");
const url = "https://example.com/other";
const started = Date.now();
await client.POST("/api/v1/webhook-endpoints", { body: { url, events: ["payment.succeeded"] } });
if (Date.now() - started < 1_000) throw new Error("Retry-After was ignored");
const { data: listed } = await client.GET("/api/v1/webhook-endpoints");

await plan("lose");
let notRepeated = false;
try {
  const params = { path: { method_id: 1 } };
  await client.PUT("/api/v1/payment-methods/{method_id}/auto-charge", { params, body: { on: true } });
} catch {
  notRepeated = true;
}

await plan("lose", "busy", "answer", "die");
const refused: Refused[] = [];
const onRefused = (found: Refused[]) => refused.push(...found);
const usage = new UsageQueue(client, { onRefused, seconds: 0.05 });
for (let number = 0; number < 2_500; number += 1) {
  usage.add({ amount: number === 2 ? "x" : "0.01", reference: `many-${number}` });
}
await usage.close();

const cutOff = connect(nobody, key, { attempts: 2, backoff: 0.05 });
const late = new UsageQueue(cutOff, { onRefused });
late.add({ amount: "1.00", reference: "late-1" });
const unsent = await late.close().then(
  () => [],
  (error) => (error instanceof Unsent ? error.records : []),
);
const again = new UsageQueue(client, { onRefused });
for (const record of unsent) again.add(record);
await again.close();

console.log(
  JSON.stringify({
    endpoints: listed?.webhook_endpoints.filter((it) => it.url === url).length,
    not_repeated: notRepeated,
    refused: refused.map((it) => [it.record.reference, it.status, Object.keys(it.errors)]),
    unsent: unsent.map((it) => it.reference),
  }),
);
