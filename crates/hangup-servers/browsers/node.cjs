// The client of the npm package `eventsource`.
const { EventSource } = require("eventsource");
const { collect } = require("./collect.js");

const url = process.argv[2];
// The package does not keep the process while it waits to reconnect.
const alive = setInterval(() => {}, 1000);
collect(new EventSource(`${url}/events`), async (seen) => {
  await fetch(`${url}/results/node`, { method: "POST", body: JSON.stringify(seen) });
  clearInterval(alive);
});
