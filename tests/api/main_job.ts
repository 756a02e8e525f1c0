// The main job with the package of clients/typescript.
import { connect } from "ballast-client";

declare const process: { argv: string[] };
const [, , address = "", key = ""] = process.argv;
const client = connect(address, key);

function found<Data>({ data, error }: { data?: Data; error?: unknown }): Data {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

const read = await client.GET("/api/v1/low-balance-settings");
const settings = found(
  await client.PUT("/api/v1/low-balance-settings", {
    params: { header: { "If-Match": read.response.headers.get("ETag") ?? "" } },
    body: {
      refill_on: true,
      notification_on: false,
      refill_mode: "add",
      threshold: "50.00",
      refill_amount: "100.00",
      no_day_limit: true,
    },
  }),
);

const hold = found(
  await client.POST("/api/v1/holds", {
    body: { reference: "call-981", amount: "20.00", expires_in: 60 },
  }),
);
const record = { amount: "12.34", reference: "call-981" };
const posted = found(await client.POST("/api/v1/usage", { body: record }));
const repeated = found(await client.POST("/api/v1/usage", { body: { records: [record] } }));

const payment = found(
  await client.POST("/api/v1/payments", {
    params: { header: { "Idempotency-Key": "one" } },
    body: { amount: "30.00" },
  }),
);
const endpoint = found(
  await client.POST("/api/v1/webhook-endpoints", {
    body: { url: "https://example.com/hooks", events: ["payment.succeeded"] },
  }),
);
const balance = found(await client.GET("/api/v1/balance"));
const { payments } = found(
  await client.GET("/api/v1/payments", { params: { query: { limit: 1, state: "paid" } } }),
);
const refused = await client.POST("/api/v1/usage", { body: { amount: "0", reference: "call-982" } });
if (refused.error === undefined) throw new Error("a usage record of 0 was posted");

console.log(
  JSON.stringify({
    threshold: settings.threshold,
    available: hold.available,
    statuses: [posted.status, repeated.records[0]?.status],
    payment: [payment.state, payment.attempts[0]?.method_name],
    secret: endpoint.secret.slice(0, 6),
    balance: balance.balance,
    amounts: payments.map((it) => it.amount),
    problem: [refused.error.code, Object.keys(refused.error.errors ?? {})],
  }),
);
