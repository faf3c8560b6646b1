// @ts-check
// The page: ties together the conversation, what is kept of it and what is seen of it.

import { Conversation } from "./conversation.js";
import { translate } from "./language.js";
import * as storage from "./storage.js";
import { choiceButton, element, show, withNumbers } from "./view.js";

/** @typedef {import("./storage.js").Entry} Entry */
/** @typedef {import("./language.js").Words} Words */

const DRAFT = "maeum.draft";
const LANGUAGE = "maeum.language";
// A connection that is back by then was hardly gone; and who uses a screen reader needn't hear of every short wait.
const NOTICEABLE = 1500;

/**
 * @type {{
 *   files: string, socket: string, words: Record<string, Words>,
 *   hotlines: {key: string, name: string, number: string, hours: string}[],
 * }}
 */
const data = JSON.parse(find("page-data", HTMLScriptElement).textContent ?? "");
const numbers = data.hotlines.map(({ number }) => number);

const room = find("room", HTMLElement);
const log = find("log", HTMLDivElement);
const typing = find("typing", HTMLDivElement);
const choices = find("choices", HTMLDivElement);
const connection = find("connection", HTMLParagraphElement);
const status = find("status", HTMLParagraphElement);
const message = find("message", HTMLTextAreaElement);
const help = find("help", HTMLDialogElement);
const clearDialog = find("clear-dialog", HTMLDialogElement);

let language = storage.read(LANGUAGE) === "en" ? "en" : "ko";
let words = /** @type {Words} */ (data.words[language]);
// With a mouse there is a keyboard; with a finger, focusing the field would cover half of the screen with one.
const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)").matches;
const conversation = new Conversation(new URL(`${data.socket}/`, document.baseURI), update);

/** @type {Map<string, number>} */
const timers = new Map();

/** @template {HTMLElement} Kind @param {string} id @param {{new (): Kind}} kind @returns {Kind} */
function find(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no #${id}.`);
  return found;
}

// ---- showing

/** Shows everything as it is now. */
function update() {
  const entries = storage.entries();
  const atEnd = room.scrollHeight - room.scrollTop - room.clientHeight < 80;
  const added = show(log, entries, (entry) => draw(entry, entries));
  typing.hidden = !conversation.answering;
  later("typing", conversation.answering, () => (status.textContent = words.typing));
  later("offline", !conversation.ready, () => (connection.textContent = words.offline));
  if (conversation.ready && connection.textContent) {
    connection.textContent = "";
    status.textContent = words.online;
  }
  document.body.classList.toggle("begun", entries.length > 0);
  showChoices(entries);
  if (added && (atEnd || entries.at(-1)?.from === "person")) room.scrollTo({ top: room.scrollHeight });
  else if (atEnd) room.scrollTop = room.scrollHeight;
}

/** Does something when `condition` has held for a noticeable time. @param {string} name @param {boolean} condition @param {() => void} act */
function later(name, condition, act) {
  if (condition && !timers.has(name)) timers.set(name, setTimeout(act, NOTICEABLE));
  if (condition) return;
  clearTimeout(timers.get(name));
  timers.delete(name);
  if (name === "typing" && status.textContent === words.typing) status.textContent = "";
}

/** @param {Entry} entry @param {Entry[]} entries */
function draw(entry, entries) {
  const drawn = element("div", `message ${entry.from}`);
  const previous = entries[entries.indexOf(entry) - 1];
  if (dayOf(entry) !== (previous ? dayOf(previous) : dayOf({ at: Date.now() }))) drawn.append(element("p", "day", dayOf(entry)));
  const bubble = element("div", "bubble", element("span", "unseen", `${words[entry.from]}: `));
  bubble.lang = "ko";
  bubble.append(...(entry.from === "bot" ? withNumbers(entry.text, numbers) : [entry.text]));
  if (entry.picture) bubble.append(pictureLink(entry.picture));
  drawn.append(bubble);
  const phones = (entry.choices ?? []).filter(calls);
  if (phones.length) drawn.append(element("div", "phones", ...phones.map((choice) => choiceButton(choice, say))));
  if (entry.trouble === "failed") {
    const retry = element("button", "", words.retry);
    retry.addEventListener("click", () => {
      conversation.retry(entry.id);
      keepFocus();
    });
    drawn.append(element("p", "trouble", words.failed, " ", retry));
  } else if (entry.trouble === "waiting") {
    drawn.append(element("p", "trouble waiting", words.waiting));
  }
  return drawn;
}

/** A picture is never loaded by itself: the page asks nobody else for anything. @param {string} address */
function pictureLink(address) {
  const link = element("a", "picture", words.picture);
  if (/^https?:\/\//.test(address)) link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

/** What can be answered with one press: what the bot offers, or at the beginning what others begin with. @param {Entry[]} entries */
function showChoices(entries) {
  const latest = entries.slice(entries.findLastIndex(({ from }) => from === "person") + 1);
  const offered = entries.length
    ? latest.flatMap((entry) => entry.choices ?? []).filter((choice) => !calls(choice))
    : words.starters.map((/** @type {string} */ title) => ({ title }));
  const key = JSON.stringify(offered);
  if (choices.dataset.offered === key) return;
  choices.dataset.offered = key;
  choices.replaceChildren(...offered.map((/** @type {import("./storage.js").Choice} */ choice) => choiceButton(choice, say)));
}

/** @param {import("./storage.js").Choice} choice */
function calls(choice) {
  return choice.url?.startsWith("tel:");
}

/** @param {{at: number}} moment */
function dayOf({ at }) {
  return new Intl.DateTimeFormat(language, { month: "long", day: "numeric", weekday: "long" }).format(at);
}

// ---- writing

/** @param {string} text @param {string} [payload] */
function say(text, payload) {
  conversation.say(text, payload);
  keepFocus();
}

/** A button that was pressed and is gone leaves the focus to what comes next. */
function keepFocus() {
  if (hasKeyboard) message.focus();
  else if (document.activeElement === document.body) room.focus({ preventScroll: true });
}

/** Makes the field as high as what is in it; the style sheet says how high at most. */
function grow() {
  message.style.height = "auto";
  message.style.height = `${message.scrollHeight}px`;
}

find("composer", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const text = message.value.trim();
  if (!text) return message.focus();
  message.value = "";
  storage.write(DRAFT, null);
  grow();
  say(text);
});

message.addEventListener("input", () => {
  storage.write(DRAFT, message.value || null);
  grow();
});

message.addEventListener("keydown", (event) => {
  // While Hangul is being composed, Enter only ends the syllable. Safari says so by the key code alone.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || !hasKeyboard) return;
  event.preventDefault();
  message.form?.requestSubmit();
});

// ---- panels and tools

find("help-button", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault();
  help.showModal();
});

find("help-close", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault();
  help.close();
});

find("clear", HTMLButtonElement).addEventListener("click", () => {
  clearDialog.returnValue = "";
  clearDialog.showModal();
});

clearDialog.addEventListener("close", () => {
  if (clearDialog.returnValue !== "yes") return;
  conversation.clear();
  message.value = "";
  storage.write(DRAFT, null);
  grow();
  update();
  status.textContent = words.cleared;
});

for (const dialog of [help, clearDialog]) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

find("language", HTMLButtonElement).addEventListener("click", () => {
  language = language === "ko" ? "en" : "ko";
  storage.write(LANGUAGE, language);
  words = /** @type {Words} */ (data.words[language]);
  log.setAttribute("aria-live", "off");
  log.replaceChildren();
  translate(language, words, data.hotlines);
  connection.textContent = connection.textContent && words.offline;
  find("language", HTMLButtonElement).lang = language === "ko" ? "en" : "ko";
  update();
  // In other words it isn't news, and screen readers are told of a change some time after it.
  setTimeout(() => log.setAttribute("aria-live", "polite"), 500);
});

// ---- the browser

// The same conversation may be open elsewhere.
addEventListener("storage", ({ key }) => {
  if (key === null || key === "maeum.session") conversation.resume();
  update();
});

// An on-screen keyboard that covers the page instead of shrinking it, as on iOS, leaves what is above it.
const viewport = window.visualViewport;
const fit = () => {
  if (!viewport || viewport.scale !== 1) return;
  document.body.style.height = `${viewport.height}px`;
  scrollTo(0, 0);
};
viewport?.addEventListener("resize", fit);
viewport?.addEventListener("scroll", fit);

if ("serviceWorker" in navigator) {
  const address = `${data.files}/service_worker.js`;
  const trusted = /** @type {any} */ (window).trustedTypes?.createPolicy("maeum", { createScriptURL: () => address }).createScriptURL("");
  navigator.serviceWorker.register(trusted ?? address, { scope: "./" }).catch(() => {
    // Without it, a browser that forbids it, or a page over plain http, only lacks the page on a reload without a server.
  });
}

// ---- beginning

translate(language, words, data.hotlines);
update();
room.scrollTop = room.scrollHeight;
// What was said before isn't news; what is said from now on is.
log.setAttribute("aria-live", "polite");
message.value = storage.read(DRAFT) ?? "";
grow();
if (hasKeyboard) message.focus();
