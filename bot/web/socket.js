// @ts-check
// Socket.IO (protocol 5 over Engine.IO 4) on one WebSocket, as far as the chat needs it: events, acknowledgements, heartbeats and
// reconnecting. https://socket.io/docs/v4/socket-io-protocol/ has the frames. Its own client weighs as much as this whole page.

const SHORTEST_WAIT = 500;
const LONGEST_WAIT = 8000;

export class Socket {
  /** @type {WebSocket | null} */
  #connection = null;
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (reason: Error) => void}>} */
  #asked = new Map();
  #nextId = 0;
  #wait = SHORTEST_WAIT;
  #silence = 45000;
  #silenceTimer = 0;
  #retryTimer = 0;
  #url;
  #listener;

  /**
   * @param {URL} url where the WebSocket is
   * @param {{connected: () => void, lost: () => void, event: (name: string, data: any) => void}} listener what to tell of it; `lost`
   *   comes for every attempt that fails, too
   */
  constructor(url, listener) {
    this.#url = new URL(url);
    this.#url.protocol = url.protocol.replace("http", "ws");
    this.#url.search = "?EIO=4&transport=websocket";
    this.#listener = listener;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
    this.#connect();
  }

  /** Sends an event that nobody has to answer. @param {string} name @param {any} data */
  emit(name, data) {
    this.#send(`42${JSON.stringify([name, data])}`);
  }

  /**
   * Sends an event and waits for its acknowledgement.
   *
   * A connection that doesn't bring one in time is as good as lost, and is made anew.
   * @param {string} name @param {any} data @param {number} timeout in milliseconds @returns {Promise<any>} rejects when it is lost
   */
  ask(name, data, timeout) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.reconnect(), timeout);
      const settled = () => {
        clearTimeout(timer);
        this.#asked.delete(id);
      };
      this.#asked.set(id, {
        resolve: (answer) => (settled(), resolve(answer)),
        reject: (reason) => (settled(), reject(reason)),
      });
      this.#send(`42${id}${JSON.stringify([name, data])}`);
    });
  }

  /** Drops the connection and makes another. */
  reconnect() {
    if (this.#connection) this.#lose(this.#connection);
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    const connection = new WebSocket(this.#url);
    this.#connection = connection;
    connection.onmessage = ({ data }) => connection === this.#connection && this.#receive(String(data));
    connection.onclose = () => this.#lose(connection);
    this.#listen();
  }

  /** @param {WebSocket} connection */
  #lose(connection) {
    if (connection !== this.#connection) return;
    this.#connection = null;
    clearTimeout(this.#silenceTimer);
    connection.close();
    for (const { reject } of [...this.#asked.values()]) reject(new Error("the connection was lost"));
    this.#listener.lost();
    // Pages that lost the same server come back one by one.
    this.#retryTimer = setTimeout(() => this.#connect(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  /** Connects at once where it would have waited. */
  #hurry() {
    this.#wait = SHORTEST_WAIT;
    if (!this.#connection) this.#connect();
  }

  /** Takes the connection for lost when nothing, not even a heartbeat, comes. */
  #listen() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.reconnect(), this.#silence);
  }

  /** @param {string} frame */
  #send(frame) {
    if (this.#connection?.readyState === WebSocket.OPEN) this.#connection.send(frame);
  }

  /** @param {string} frame */
  #receive(frame) {
    this.#listen();
    if (frame[0] === "0") {
      const { pingInterval, pingTimeout } = JSON.parse(frame.slice(1));
      this.#silence = pingInterval + pingTimeout;
      this.#send("40");
    } else if (frame === "2") {
      this.#send("3");
    } else if (frame.startsWith("40")) {
      this.#wait = SHORTEST_WAIT;
      this.#listener.connected();
    } else if (frame.startsWith("42")) {
      const [name, data] = JSON.parse(frame.slice(frame.indexOf("[")));
      this.#listener.event(name, data);
    } else if (frame.startsWith("43")) {
      const start = frame.indexOf("[");
      this.#asked.get(Number(frame.slice(2, start)))?.resolve(JSON.parse(frame.slice(start))[0]);
    } else if (frame === "1" || frame.startsWith("41") || frame.startsWith("44")) {
      this.reconnect();
    }
  }
}
