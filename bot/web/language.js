// @ts-check
// Saying the page's own words in Korean or English. What the bot says stays Korean.

/** @typedef {Record<string, any>} Words one language's part of words.yml */

/**
 * Puts the words wherever the page names them.
 * @param {string} language "ko" or "en"
 * @param {Words} words
 * @param {{key: string, name: string, hours: string}[]} hotlines whose Korean names stand where the words have no other
 */
export function translate(language, words, hotlines) {
  document.documentElement.lang = language;
  document.title = words.title;
  for (const element of marked("word")) element.textContent = words[element.dataset.word ?? ""];
  for (const element of marked("word-label")) element.setAttribute("aria-label", words[element.dataset.wordLabel ?? ""]);
  for (const element of marked("word-placeholder")) {
    element.setAttribute("placeholder", words[element.dataset.wordPlaceholder ?? ""]);
  }
  for (const { key, name, hours } of hotlines) {
    for (const element of marked("hotline", key)) element.textContent = words.hotlines?.[key] ?? name;
    for (const element of marked("hours", key)) element.textContent = words.hours?.[hours] ?? hours;
  }
}

/** @param {string} name @param {string} [value] @returns {NodeListOf<HTMLElement>} */
function marked(name, value) {
  return document.querySelectorAll(value === undefined ? `[data-${name}]` : `[data-${name}="${CSS.escape(value)}"]`);
}
