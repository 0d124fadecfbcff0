// Addresses as people type them.

const USUAL_PORT = 19532;

/** `kai`, `192.168.1.50:19532` or `[fd00::2]:19532` as `{address, port}`; null where it is none. */
export function parsePlace(text) {
  const typed = text.trim();
  const bracketed = /^\[([0-9a-fA-F:.%\w]+)\](?::(\d{1,5}))?$/.exec(typed);
  const bare = /^[0-9a-fA-F:.]+$/.test(typed) && typed.split(":").length > 2 ? [typed, typed, undefined] : null;
  const plain = /^([^\s/:[\]]+)(?::(\d{1,5}))?$/.exec(typed);
  const found = bracketed ?? bare ?? plain;
  if (!found) return null;
  const port = found[2] === undefined ? USUAL_PORT : Number(found[2]);
  return port >= 1 && port <= 65535 ? { address: found[1], port } : null;
}
