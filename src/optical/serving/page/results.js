// The passages that were found, with their words marked that answer words of the question.

import { languageName, locale, make, say, scriptOf, set } from "./text.js";

const COLOURS = 6;
const WEAK = 0.35; // of the strongest match of a passage
const tip = document.getElementById("tip");

// Show what `answer` holds; `text` is the question.
export function show(answer, text) {
  hide();
  const asked = askedWords(answer.hits);
  const several = answer.language.languages.length > 1;
  const question = document.getElementById("asked");
  set(question, text, several ? undefined : answer.language.languages[0]);
  question.replaceChildren(
    ...marked(
      text,
      [...asked.values()].map((word) => ({ ...word, keys: [word.key] })),
    ),
  );
  document
    .getElementById("results")
    .replaceChildren(...answer.hits.map((hit) => make("li", "", passage(hit, asked, several))));
}

// The words of the question by where they are, each with its colour.
function askedWords(hits) {
  const found = new Map();
  for (const { query } of hits.flatMap(matches)) {
    found.set(place(query), { key: place(query), start: query.start, end: query.end, word: query.word });
  }
  const ordered = [...found.values()].sort((one, other) => one.start - other.start);
  return new Map(ordered.map((word, n) => [word.key, { ...word, colour: n % COLOURS }]));
}

// Punctuation answers punctuation; nobody wants to see that.
function matches(hit) {
  const all = hit.explanation?.matches ?? [];
  return all.filter(({ query, passage }) => [query, passage].every(({ word }) => /[\p{L}\p{N}]/u.test(word)));
}

function place(span) {
  return `${span.start}-${span.end}`;
}

function passage(hit, asked, several) {
  const words = answering(matches(hit), asked);
  const article = make("article", "passage");
  const language = (text) => (scriptOf(text) ? undefined : "en");
  if (hit.title) {
    const title = make("h3", "", ...marked(hit.title, words.title, true));
    article.append(set(title, hit.title, language(hit.title)));
  }
  const text = make("p", "text", ...marked(hit.text, words.text, true));
  article.append(set(text, hit.text, language(hit.text)), facts(hit, several));
  // One stop for Tab; the arrow keys move on from there.
  article.querySelector(".word")?.setAttribute("tabindex", "0");
  return article;
}

// The words of title and text that answer something: where they are, and what they answer, strongest first.
function answering(found, asked) {
  const parts = { title: new Map(), text: new Map() };
  for (const { query, passage, score } of found) {
    const words = parts[passage.part];
    const word = words.get(passage.start) ?? { start: passage.start, end: passage.end, score: 0, answers: [] };
    word.score += score;
    word.answers.push({ score, ...asked.get(place(query)) });
    words.set(passage.start, word);
  }
  const all = [...parts.title.values(), ...parts.text.values()];
  const strongest = Math.max(...all.map((word) => word.score));
  for (const word of all) {
    word.answers.sort((one, other) => other.score - one.score);
    word.colour = word.answers[0].colour;
    word.keys = word.answers.map((each) => each.key);
    word.weak = word.score < WEAK * strongest;
  }
  return { title: [...parts.title.values()], text: [...parts.text.values()] };
}

// The pieces of `text`, with `words` marked; the service counts code points, and strings here UTF-16 units.
function marked(text, words, focusable = false) {
  const characters = Array.from(text);
  const pieces = [];
  let last = 0;
  for (const word of [...words].sort((one, other) => one.start - other.start)) {
    if (word.start < last) continue;
    const mark = make("mark", `word colour-${word.colour}`, characters.slice(word.start, word.end).join(""));
    mark.classList.toggle("weak", Boolean(word.weak));
    mark.dataset.keys = word.keys.join(" ");
    if (focusable) {
      mark.dataset.answers = JSON.stringify(word.answers.map((each) => each.word));
      mark.setAttribute("role", "button");
      mark.tabIndex = -1;
    }
    pieces.push(characters.slice(last, word.start).join(""), mark);
    last = word.end;
  }
  return [...pieces, characters.slice(last).join("")];
}

function facts(hit, several) {
  const score = hit.score.toLocaleString(locale, { maximumSignificantDigits: 4 });
  const list = make("ul", "facts", make("li", "score", say("score", { score })));
  if (several) list.append(make("li", "", say("foundIn", { language: languageName(hit.language) })));
  list.append(make("li", "", `${say("id")} `, make("b", "", hit.id)));
  for (const [field, value] of Object.entries(hit.metadata)) {
    const values = Array.isArray(value) ? value.join(", ") : String(value);
    const shown = make("bdi", "", link(values) ?? values);
    list.append(make("li", "", `${field} `, make("b", "", shown)));
  }
  return list;
}

function link(text) {
  if (!/^https?:\/\/\S+$/.test(text)) return undefined;
  const anchor = make("a", "", text);
  anchor.href = text;
  anchor.rel = "noreferrer noopener";
  return anchor;
}

// Light up a word, what it answers, and what else answers that.
function light(word) {
  hide();
  const keys = word.dataset.keys.split(" ");
  const around = [document.getElementById("asked"), word.closest(".passage") ?? document.getElementById("results")];
  for (const other of around.flatMap((each) => [...each.querySelectorAll(".word")])) {
    other.classList.toggle("lit", other.dataset.keys.split(" ").some((key) => keys.includes(key)));
  }
  if (!word.dataset.answers) return;
  const words = JSON.parse(word.dataset.answers);
  tip.textContent = say("answers", { words: words.join(", ") });
  set(tip, words.join(" "));
  tip.dir = "ltr";
  tip.hidden = false;
  word.setAttribute("aria-describedby", tip.id);
  const at = word.getClientRects()[0];
  const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${at.bottom + scrollY}px`;
}

function hide() {
  tip.hidden = true;
  for (const word of document.querySelectorAll(".lit")) word.classList.remove("lit");
  for (const word of document.querySelectorAll("[aria-describedby=tip]")) word.removeAttribute("aria-describedby");
}

function step(event) {
  const word = event.target.closest?.(".passage .word");
  if (!word) return;
  const words = [...word.closest(".passage").querySelectorAll(".word")];
  const forward = getComputedStyle(word).direction === "rtl" ? -1 : 1;
  const to = {
    ArrowRight: words.indexOf(word) + forward,
    ArrowLeft: words.indexOf(word) - forward,
    Home: 0,
    End: words.length - 1,
  }[event.key];
  if (to === undefined) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      light(word);
    }
    return;
  }
  event.preventDefault();
  const next = words[Math.max(0, Math.min(words.length - 1, to))];
  word.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// A tip stays while the pointer is on it or on its word, or the word has the focus; Escape sends it away.
let dismissed = false;
document.addEventListener("mouseover", ({ target }) => {
  if (target.closest("#tip")) return;
  const pointed = target.closest(".word");
  const word = pointed ?? (dismissed ? null : document.activeElement?.closest(".passage .word"));
  if (pointed) dismissed = false;
  if (word) light(word);
  else hide();
});
document.addEventListener("focusin", ({ target }) => {
  dismissed = false;
  if (target.matches(".word")) light(target);
  else hide();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return step(event);
  dismissed = true;
  hide();
});
