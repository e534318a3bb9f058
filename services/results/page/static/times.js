// Times in the reader's time zone; without scripts they are in UTC.
const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {ParentNode} within */
export function showLocalTimes(within) {
  for (const time of within.querySelectorAll("time")) time.textContent = FORMAT.format(new Date(time.dateTime));
}
