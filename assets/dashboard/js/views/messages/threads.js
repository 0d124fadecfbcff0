// Letters of both boxes as threads: one for each peer, one for what went to everybody.

/** The key of the thread of what went to everybody. */
export const EVERYBODY = "*";

/** What a thread is called. */
export function threadTitle(key) {
  return key === EVERYBODY ? "Everybody" : key;
}

/**
 * Threads, the one with the newest letter first.
 * @param {Iterable<object>} received letters of the inbox; `acknowledged` is set on those that were acknowledged here
 * @param {Iterable<object>} sent letters of the outbox
 * @returns {{key: string, letters: object[], unread: number, last: number}[]}
 */
export function threadsOf(received, sent) {
  const threads = new Map();
  for (const letter of received) {
    put(threads, letter.sender || letter.from || "?", {
      id: letter.id, isMine: false, at: letter.receivedAt, isUnread: !letter.acknowledged, letter,
    });
  }
  for (const letter of sent) {
    const isToAll = letter.type === "broadcast" || letter.to.length > 1;
    for (const recipient of letter.to) {
      put(threads, recipient.peer, { id: letter.id, isMine: true, at: letter.ts, isUnread: false, letter, recipients: [recipient] });
    }
    if (isToAll) put(threads, EVERYBODY, { id: letter.id, isMine: true, at: letter.ts, isUnread: false, letter, recipients: letter.to });
  }
  const all = [...threads].map(([key, letters]) => threadOf(key, letters));
  return all.sort((one, other) => other.last - one.last || (one.key < other.key ? -1 : 1));
}

function put(threads, key, row) {
  const letters = threads.get(key);
  if (letters) letters.push(row);
  else threads.set(key, [row]);
}

function threadOf(key, letters) {
  letters.sort((one, other) => one.at - other.at || (one.id < other.id ? -1 : 1));
  return { key, letters, unread: letters.filter((row) => row.isUnread).length, last: letters.at(-1).at };
}

/**
 * How far a letter is on its way to all of its recipients: the state that needs most attention.
 * @param {{state: string}[]} recipients
 */
export function worstState(recipients) {
  const order = ["failed", "expired", "queued", "delivered", "acked"];
  return order.find((state) => recipients.some((recipient) => recipient.state === state)) ?? "queued";
}
