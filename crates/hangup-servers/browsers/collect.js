// Collects the numbers that an `EventSource` gets, until the event `end`.

function collect(source, done) {
  const seen = { numbers: 0, last: 0, wrong: [], gaps: 0, reconnects: -1 };
  source.onopen = () => {
    seen.reconnects += 1;
  };
  source.addEventListener("gap", () => {
    seen.gaps += 1;
  });
  source.onmessage = (event) => {
    if (event.data === "end") {
      source.close();
      done(seen);
      return;
    }
    const number = Number(event.data);
    // The next one, or after a gap any later one.
    const isNext = number === seen.last + 1 || seen.last === 0;
    if (!isNext && !(seen.gaps > 0 && number > seen.last)) {
      seen.wrong.push([seen.last, number]);
    }
    seen.last = number;
    seen.numbers += 1;
  };
}

if (typeof module !== "undefined") {
  module.exports = { collect };
}
