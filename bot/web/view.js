// @ts-check
// Drawing the conversation. Everything that people or the bot say becomes text nodes, never markup.

/** @typedef {import("./storage.js").Entry} Entry */
/** @typedef {import("./storage.js").Choice} Choice */

/**
 * Brings the log to show the entries, touching only what differs: a screen reader reads out what is new and nothing else.
 *
 * @param {HTMLElement} log
 * @param {Entry[]} entries
 * @param {(entry: Entry) => HTMLElement} draw makes an entry's element
 * @returns {boolean} whether something was added
 */
export function show(log, entries, draw) {
  const ids = new Set(entries.map(({ id }) => id));
  for (const element of [...log.children]) {
    if (!ids.has(/** @type {HTMLElement} */ (element).dataset.id ?? "")) element.remove();
  }
  let added = false;
  entries.forEach((entry, position) => {
    const state = entry.trouble ?? "";
    let element = /** @type {HTMLElement | undefined} */ (log.children[position]);
    if (element?.dataset.id !== entry.id) {
      element = draw(entry);
      element.dataset.id = entry.id;
      log.insertBefore(element, log.children[position] ?? null);
      added = true;
    } else if (element.dataset.state !== state) {
      element.querySelector(".trouble")?.remove();
      element.append(...draw(entry).querySelectorAll(".trouble"));
    }
    element.dataset.state = state;
  });
  return added;
}

/**
 * An element with a class and children; strings become text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} className @param {...(Node | string)} children @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * The text with the hotlines' numbers in it as links that call.
 * @param {string} text @param {string[]} numbers @returns {(Node | string)[]}
 */
export function withNumbers(text, numbers) {
  return text.split(/(\d[\d-]*)/).map((part) => (numbers.includes(part) ? call(part, part) : part));
}

/** A link that calls. @param {string} text @param {string} number @param {string} [className] */
export function call(text, number, className = "number") {
  const link = element("a", className, text);
  link.href = `tel:${number.replace(/\D/g, "")}`;
  return link;
}

/**
 * A button of the bot's: one that says something, or one that calls.
 * @param {Choice} choice @param {(text: string, payload?: string) => void} say @returns {HTMLElement}
 */
export function choiceButton(choice, say) {
  if (choice.url && /^tel:[\d+-]+$/.test(choice.url)) return call(choice.title, choice.url, "choice phone");
  const button = element("button", "choice", choice.title);
  button.type = "button";
  button.addEventListener("click", () => say(choice.title, choice.payload === choice.title ? undefined : choice.payload));
  return button;
}
