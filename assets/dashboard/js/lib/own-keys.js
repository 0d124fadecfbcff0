// Which keys of the store are Loopsy's own.

/** How keys begin that carry messages: nobody writes those by hand. */
const OWN = /^(inbox|outbox|ack):/;

/** Whether a key, or the prefix of a search, is one of Loopsy's own. */
export function isOwnKey(key) {
  return OWN.test(key);
}
