// Sends every kind of call through @segment/analytics-node, closes it, and tells what became of it.
// Arguments: the folder with node_modules, the URL, the write key, how many calls.
import { createRequire } from "node:module";

const [folder, host, writeKey, count] = process.argv.slice(2);
const { Analytics } = createRequire(`${folder}/`)("@segment/analytics-node");
const client = new Analytics({ writeKey, host, flushAt: 5, flushInterval: 200, maxRetries: 10 });
const errors = [];
client.on("error", (error) => errors.push(JSON.stringify(error, Object.getOwnPropertyNames(error))));

for (let n = 0; n < Number(count); n++) {
  const userId = `user-${n % 7}`;
  [
    () => client.identify({ userId, traits: { n, email: `${userId}@shop.example`, firstName: "Ada" } }),
    () => client.track({ userId, event: "Order Completed", properties: { n, total: 19.99 }, timestamp: new Date("2026-01-02T03:04:05Z") }),
    () => client.page({ userId, category: "Docs", name: "Start", properties: { n } }),
    () => client.screen({ anonymousId: userId, category: "App", name: "Start", properties: { n } }),
    () => client.group({ userId, groupId: "group-1", traits: { n } }),
    () => client.alias({ previousId: `anonymous-${n}`, userId: `alias-${n}`, context: { n } }),
  ][n % 6]();
}
await client.closeAndFlush({ timeout: 120000 });
console.log(JSON.stringify({ errors }));
