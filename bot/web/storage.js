// @ts-check
// The conversation as this browser keeps it, so that it is there after a reload and goes when the person says so.

/**
 * @typedef {{title: string, payload?: string, type?: string, url?: string}} Choice
 * @typedef {"waiting" | "failed"} Trouble a message of the person's that has not got through
 * @typedef {{
 *   id: string, from: "person" | "bot", text: string, at: number,
 *   payload?: string, early?: boolean, trouble?: Trouble, replyTo?: string, choices?: Choice[], picture?: string,
 * }} Entry
 */

const ENTRIES = "maeum.entries";
const KEPT = 300;

/** What is kept where the browser lets nothing be kept, or is full: as much as the open page needs. @type {Map<string, string>} */
const memory = new Map();

/** @param {string} key @returns {string | null} */
export function read(key) {
  const held = memory.get(key);
  if (held !== undefined) return held;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string | null} value null forgets it */
export function write(key, value) {
  memory.delete(key);
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value !== null) memory.set(key, value);
  }
}

/** @returns {Entry[]} the oldest first */
export function entries() {
  try {
    const kept = JSON.parse(read(ENTRIES) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

/** Adds what isn't there yet: an answer after what it answers, anything else at the end. @param {Entry} entry */
export function add(entry) {
  const kept = entries();
  if (kept.some(({ id }) => id === entry.id)) return;
  const before = entry.replyTo ? kept.findLastIndex(({ id, replyTo }) => id === entry.replyTo || replyTo === entry.replyTo) : -1;
  kept.splice(before < 0 ? kept.length : before + 1, 0, entry);
  write(ENTRIES, JSON.stringify(kept.slice(-KEPT)));
}

/** @param {string} id @param {Trouble | undefined} trouble */
export function setTrouble(id, trouble) {
  write(ENTRIES, JSON.stringify(entries().map((entry) => (entry.id === id ? { ...entry, trouble } : entry))));
}

export function clear() {
  write(ENTRIES, null);
}
