// @ts-check
// Getting what a person writes to the bot, each message once, whatever becomes of the connection.

import { Socket } from "./socket.js";
import * as storage from "./storage.js";

const SESSION = "maeum.session";
// Longer than the slowest answer, which waits for an action server that hangs.
const PATIENCE = 30000;

export class Conversation {
  #ready = false;
  #sending = false;
  /** @type {string | null} */
  #session = null;
  #changed;
  #socket;

  /**
   * @param {URL} url where the WebSocket is
   * @param {() => void} changed called whenever there is something else to show
   */
  constructor(url, changed) {
    this.#changed = changed;
    this.#socket = new Socket(url, {
      connected: () => this.#socket.emit("session_request", { session_id: storage.read(SESSION) }),
      lost: () => this.#setReady(false),
      event: (name, data) => {
        if (name === "session_confirm") {
          this.#session = data;
          storage.write(SESSION, data);
          this.#setReady(true);
        } else if (name === "bot_uttered") {
          this.#hear(data);
          this.#changed();
        }
      },
    });
  }

  /** Whether messages get through at the moment. */
  get ready() {
    return this.#ready;
  }

  /** Whether the bot has a message that it hasn't answered. */
  get answering() {
    return this.#ready && this.#sending;
  }

  /** @param {string} text as it is shown @param {string} [payload] as the bot gets it, where that differs */
  say(text, payload) {
    // Written before the answer to another message is there: a yes isn't one to that answer.
    const early = storage.entries().some(({ trouble }) => trouble === "waiting");
    storage.add({ id: newId(), from: "person", text, payload, early, at: Date.now(), trouble: "waiting" });
    this.#changed();
    void this.#send();
  }

  /** @param {string} id of a message that failed */
  retry(id) {
    storage.setTrouble(id, "waiting");
    this.#changed();
    void this.#send();
  }

  /** Goes on with the session that is kept now, which another page may have changed. */
  resume() {
    if (storage.read(SESSION) !== this.#session) this.#socket.reconnect();
  }

  /** Forgets everything here; what comes next is a conversation that the bot knows nothing about. */
  clear() {
    storage.clear();
    storage.write(SESSION, null);
    this.#socket.reconnect();
  }

  /** @param {boolean} ready */
  #setReady(ready) {
    this.#ready = ready;
    this.#changed();
    if (ready) void this.#send();
  }

  /** Sends what waits, one after the other. What is not acknowledged stays, and is sent again: the server answers it once. */
  async #send() {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let entry; this.#ready && (entry = storage.entries().find(({ trouble }) => trouble === "waiting")); ) {
        this.#changed();
        const { id, payload, text, early } = entry;
        const answer = await this.#socket.ask("user_uttered", { id, message: payload ?? text, early }, PATIENCE);
        // Somebody may have deleted the conversation in the meantime; its answers are nobody's then.
        if (!storage.entries().some((kept) => kept.id === id)) continue;
        for (const message of answer.messages ?? []) this.#hear(message);
        storage.setTrouble(id, answer.status === "answered" ? undefined : "failed");
      }
    } catch {
      // The connection was lost; the next one sends on.
    } finally {
      this.#sending = false;
      this.#changed();
    }
  }

  /** @param {{id: string, reply_to?: string, text?: string, quick_replies?: storage.Choice[], attachment?: any}} message */
  #hear(message) {
    const picture = message.attachment?.payload?.src;
    if (!message.text && typeof picture !== "string") return;
    if (message.reply_to && !storage.entries().some(({ id }) => id === message.reply_to)) return;
    storage.add({
      id: message.id, from: "bot", text: message.text ?? "", at: Date.now(),
      replyTo: message.reply_to, choices: message.quick_replies, picture,
    });
  }
}

/** 128 random bits in hexadecimal; crypto.randomUUID is missing where the page comes over plain http. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
