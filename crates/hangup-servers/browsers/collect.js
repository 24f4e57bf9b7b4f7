// Collects the numbers that an `EventSource` gets, until the event `end`.

function collect(source, done) {
  // A run is `[first, last]`: all numbers from the first to the last, once and in order.
  const seen = { runs: [], gaps: [], wrong: [], reconnects: -1, lastId: "" };
  // The first number begins a run, and so does the first one after a gap.
  let begins = true;
  source.onopen = () => {
    seen.reconnects += 1;
  };
  source.addEventListener("gap", (event) => {
    seen.gaps.push(event.data);
    begins = true;
  });
  source.onmessage = (event) => {
    if (event.data === "end") {
      source.close();
      done(seen);
      return;
    }
    const number = Number(event.data);
    seen.lastId = event.lastEventId;
    if (begins) {
      begins = false;
      seen.runs.push([number, number]);
      return;
    }
    const run = seen.runs[seen.runs.length - 1];
    if (number !== run[1] + 1) {
      seen.wrong.push([run[1], number]);
    }
    run[1] = number;
  };
}

if (typeof module !== "undefined") {
  module.exports = { collect };
}
