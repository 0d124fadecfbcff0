// Words for numbers, sizes, times and texts from strangers.

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortDate = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const whole = new Intl.NumberFormat();

/** Control characters, and those that turn or hide the text around them. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Makes what can't be seen in a text visible, so that nothing in it passes for something else. */
export function visible(text) {
  return String(text ?? "").replace(UNSEEN, (char) => `[U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
}

/** The same for a text of several lines, whose breaks and tabs stay. */
export function visibleLines(text) {
  return String(text ?? "").replace(/\r\n/g, "\n").replace(UNSEEN, (char) => (char === "\n" || char === "\t" ? char : visible(char)));
}

/** A whole number with separators. */
export function count(number) {
  return whole.format(number ?? 0);
}

/** `1 peer`, `2 peers`. */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Bytes in the unit that suits, as the command line has it: `3.4 MiB`. */
export function bytes(number) {
  if (!Number.isFinite(number)) return "";
  let value = Math.max(0, number);
  let unit = 0;
  while (value >= 1023.5 && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZES[unit]}`;
}

/** Bytes a second. */
export function rate(number) {
  return number > 0 ? `${bytes(number)}/s` : "";
}

/** A span of milliseconds by its largest two units: `2 h 5 min`. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return "";
  const left = Math.max(0, ms);
  if (left < SECOND) return `${Math.round(left)} ms`;
  if (left < MINUTE) return `${Math.floor(left / SECOND)} s`;
  if (left < HOUR) return pair(left, MINUTE, "min", SECOND, "s");
  if (left < DAY) return pair(left, HOUR, "h", MINUTE, "min");
  return pair(left, DAY, "d", HOUR, "h");
}

function pair(ms, big, bigName, small, smallName) {
  const rest = Math.floor((ms % big) / small);
  return `${Math.floor(ms / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** A round trip. */
export function millis(ms) {
  return `${ms < 10 ? ms.toFixed(1) : whole.format(Math.round(ms))} ms`;
}

/** How long ago an instant was, in one unit: `5 min ago`; `just now` below five seconds. */
export function ago(ts, now = Date.now()) {
  if (!ts) return "never";
  const past = now - ts;
  if (past < 5 * SECOND) return "just now";
  if (past < MINUTE) return `${Math.floor(past / SECOND)} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < DAY) return `${Math.floor(past / HOUR)} h ago`;
  return `${Math.floor(past / DAY)} d ago`;
}

/** What is left until an instant as `4:59`, `1:00:00` above an hour; `0:00` when it has passed. */
export function countdown(until, now = Date.now()) {
  const left = Math.max(0, Math.ceil((until - now) / SECOND));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** Date and time of an instant, milliseconds since the epoch. */
export function instant(ts) {
  return ts ? dateTime.format(ts) : "never";
}

/** The time of day, with the date before it where that is not today. */
export function clock(ts, now = Date.now()) {
  const isToday = new Date(ts).toDateString() === new Date(now).toDateString();
  return isToday ? clockTime.format(ts) : `${shortDate.format(ts)} ${clockTime.format(ts)}`;
}

/** Six digits as people read them: `492 817`. */
export function spaced(digits) {
  return String(digits ?? "").replace(/^(\d{3})(\d{3})$/, "$1\u202f$2");
}

/** A fingerprint in groups of four. */
export function grouped(hex) {
  return String(hex ?? "").replace(/(.{4})(?=.)/g, "$1 ");
}
