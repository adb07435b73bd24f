// What the page says, in the language of its reader; and text of any language, set as it should be.

const STRINGS = await (await fetch(new URL("strings.json", import.meta.url))).json();
const CHOSEN = "optical-interface";
// Those whose letters need another font or more room between lines than Latin ones.
const SCRIPTS = ["Arabic", "Ethiopic", "Devanagari", "Thai", "Hebrew", "Bengali", "Tamil"].map((name) => [
  name,
  new RegExp(`\\p{Script=${name}}`, "gu"),
]);

export const interfaces = Object.keys(STRINGS);
export let locale = remembered() ?? preferred();

function preferred() {
  const wanted = navigator.languages.map((tag) => tag.split("-")[0]);
  return wanted.find((language) => interfaces.includes(language)) ?? "en";
}

function remembered() {
  try {
    const language = localStorage.getItem(CHOSEN);
    return interfaces.includes(language) ? language : undefined;
  } catch {
    return undefined; // storage is forbidden
  }
}

export function choose(language) {
  locale = language;
  try {
    localStorage.setItem(CHOSEN, language);
  } catch {
    // then it holds for this visit
  }
}

// The string `name` with its {places} filled in; where `count` decides its form, with that.
export function say(name, values = {}, language = locale) {
  let string = STRINGS[language][name];
  if (typeof string !== "string") {
    string = string[new Intl.PluralRules(language).select(values.count)] ?? string.other;
  }
  return string.replace(/\{(\w+)\}/g, (place, key) =>
    typeof values[key] === "number" ? values[key].toLocaleString(language) : values[key],
  );
}

// Fill in all that is marked with data-string.
export function translate() {
  document.documentElement.lang = locale;
  for (const element of document.querySelectorAll("[data-string]")) {
    element.textContent = say(element.dataset.string);
  }
}

// The name of a language, as `reader` (a language) calls it; its code if nobody knows better.
export function languageName(code, reader = locale) {
  try {
    return new Intl.DisplayNames([reader, locale], { type: "language" }).of(code);
  } catch {
    return code;
  }
}

export function listed(names, type = "conjunction") {
  return new Intl.ListFormat(locale, { type }).format(names);
}

// The script that most letters of `text` are in, if it is one of SCRIPTS.
export function scriptOf(text) {
  const letters = text.match(/\p{Letter}/gu)?.length ?? 0;
  return SCRIPTS.find(([, pattern]) => 2 * (text.match(pattern)?.length ?? 0) > letters)?.[0];
}

// Tell direction, font and spacing of an element by the text that it holds; `language` if that is known.
export function set(element, text, language) {
  element.dir = "auto";
  const script = scriptOf(text);
  if (script) element.dataset.script = script;
  else delete element.dataset.script;
  if (language) element.lang = language;
  else element.removeAttribute("lang");
  return element;
}

// A new element. Strings among the children become text, never markup.
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
