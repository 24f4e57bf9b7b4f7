// The client of the npm package `eventsource`: `node node.cjs ORIGIN ROUTE`.
const { EventSource } = require("eventsource");
const { collect } = require("./collect.js");

const [origin, route] = process.argv.slice(2);
// The package does not keep the process while it waits to reconnect.
const alive = setInterval(() => {}, 1000);
collect(new EventSource(origin + route), async (seen) => {
  await fetch(`${origin}/results/node`, { method: "POST", body: JSON.stringify(seen) });
  clearInterval(alive);
});
