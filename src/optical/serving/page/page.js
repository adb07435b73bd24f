// The page: its form, its states, and when it asks the service.

import { show } from "./results.js";
import { Refusal, ask, hasKey, useKey } from "./service.js";
import { choose, interfaces, languageName, listed, locale, make, say, set, translate } from "./text.js";

const AUTOMATIC = "auto";
const PASSAGES = 10;
const element = (id) => document.getElementById(id);
const [query, language, filter, field, value, hybrid] = [
  "query",
  "language",
  "filter",
  "field",
  "value",
  "hybrid",
].map(element);

let service; // languages, which can be searched by words, fields, passages and examples, once they are known
let latest; // the last question and its answer
let problem; // why there is none
let searching; // ends the search under way

async function load() {
  const [{ languages, hybrid, identifier }, { passages, fields }, { examples }] = await Promise.all(
    ["languages", "index", "examples"].map((path) => ask(path)),
  );
  service = { languages, hybrid, identifier, passages, fields, examples };
}

// Ask for all that the page needs to know; say so if it cannot be had.
async function begin() {
  try {
    await load();
    problem = undefined;
    lock(false);
  } catch (error) {
    fail(error);
  }
  draw();
}

async function search() {
  const text = query.value;
  if (!text.trim()) {
    latest = problem = undefined;
    draw();
    element("status").textContent = say("emptyQuery");
    query.focus();
    return;
  }
  searching?.abort();
  const { signal } = (searching = new AbortController());
  problem = undefined;
  element("problem").hidden = true;
  element("found").setAttribute("aria-busy", "true");
  element("status").textContent = say("searching");
  element("status").classList.add("busy");
  let body;
  try {
    if (!service) await load();
    const chosen = language.value || AUTOMATIC;
    body = {
      text,
      lang: chosen,
      k: PASSAGES,
      filter: filter.value.trim() || null,
      explain: true,
      hybrid: hybrid.checked && hasWords(),
    };
    const answer = await ask("search", body, signal);
    latest = { text, chosen, answer, filtered: body.filter !== null, byWords: body.hybrid };
    if (answer.language.languages.length === 1) set(query, text, answer.language.languages[0]);
  } catch (error) {
    if (error.name === "AbortError") return; // the next search goes on
    // What can be searched by words may have changed; if that cannot be asked now, what was known stays.
    if (error.status === 422 && body?.hybrid) await load().catch(() => {});
    if (signal.aborted) return;
    latest = undefined;
    fail(error);
  }
  element("status").classList.remove("busy");
  element("found").removeAttribute("aria-busy");
  draw();
}

function fail(error) {
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 401) lock(true);
  else problem = error;
}

function lock(locked) {
  const opens = element("unlock").hidden && locked;
  element("unlock").hidden = !locked;
  element("search").hidden = locked;
  element("key-wrong").textContent = locked && hasKey() ? say("keyWrong") : "";
  if (opens || (locked && hasKey())) element("key").focus();
}

// Bring all that is seen in line with what is known, in the interface's language.
function draw() {
  translate();
  drawLanguages();
  drawFilter();
  drawHybrid();
  drawExamples();
  const hits = latest?.answer.hits ?? [];
  element("found").hidden = hits.length === 0;
  if (hits.length) show(latest.answer, latest.text);
  element("status").textContent = status(hits.length);
  drawProblem();
}

function status(count) {
  if (problem || !service) return "";
  if (service.passages === 0) return say("emptyIndex");
  if (!latest) return say("passages", { count: service.passages });
  if (count) return `${say("found", { count })} ${withoutWords()}`.trim();
  return `${say("nothing")} ${say(latest.filtered ? "nothingFilterHelp" : "nothingHelp")}`;
}

// In which languages words were asked for, and not searched by.
function withoutWords() {
  const { language, hybrid } = latest.answer;
  const lacking = language.languages.filter((code) => latest.byWords && !hybrid.includes(code));
  return lacking.length ? say("notByWords", { languages: listed(lacking.map((code) => languageName(code))) }) : "";
}

function drawProblem() {
  element("problem").hidden = !problem;
  if (!problem) return;
  const known = { 0: "unreachable", 429: "tooMany", 503: "busy" }[problem.status];
  const own = problem.status === 422 && problem.message;
  element("problem").textContent = own ? problem.message : say(known ?? "failed");
  element("problem").lang = own ? "en" : locale;
}

function drawLanguages() {
  const languages = service?.languages ?? [];
  const before = language.value;
  const options = languages.map((code) => new Option(languageName(code), code));
  if (service?.identifier !== "none") options.unshift(new Option(detected(), AUTOMATIC));
  language.replaceChildren(...options);
  language.value = options.some((option) => option.value === before) ? before : options[0].value;
  const own = languages.map((code) => languageName(code, code));
  query.placeholder = own.length ? say("queryHint", { languages: listed(own, "disjunction") }) : "";
}

function detected() {
  if (latest?.chosen !== AUTOMATIC) return say("automatic");
  const { languages, confidence } = latest.answer.language;
  return say("detected", {
    languages: listed(languages.map((code) => languageName(code))),
    confidence: confidence.toLocaleString(locale, { style: "percent", roundingMode: "floor" }),
  });
}

function drawFilter() {
  const fields = Object.keys(service?.fields ?? {});
  element("filtering").hidden = fields.length === 0;
  element("filtering").querySelector("summary").textContent = say(filter.value.trim() ? "filterOn" : "filterSummary");
  if (fields.length === 0) return;
  const before = field.value;
  field.replaceChildren(...fields.map((name) => new Option(name, name)));
  if (fields.includes(before)) field.value = before;
  const kind = service.fields[field.value];
  element("filter-example").textContent =
    `${field.value} ${{ string: '= "…"', number: ">= 2020", boolean: "= true" }[kind]}`;
  const seen = (latest?.answer.hits ?? []).flatMap((hit) => hit.metadata[field.value] ?? []);
  const values = kind === "boolean" ? [true, false] : [...new Set(seen)].sort();
  element("values").replaceChildren(...values.map((each) => new Option(each, each)));
}

// Whether the language, or one that may be detected, can be searched by words, too.
function hasWords() {
  const able = service?.hybrid ?? [];
  return language.value === AUTOMATIC ? able.length > 0 : able.includes(language.value);
}

function drawHybrid() {
  element("by-words").hidden = !hasWords();
}

// Add what was picked to the filter.
function addCondition() {
  const kind = service.fields[field.value];
  const given = value.value.trim();
  const wrong =
    kind === "number" && !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(given)
      ? "notANumber"
      : kind === "boolean" && !/^(true|false)$/.test(given)
        ? "notABoolean"
        : "";
  value.setAttribute("aria-invalid", String(Boolean(wrong)));
  if (wrong) {
    element("status").textContent = say(wrong, { value: `“${given}”`, field: field.value });
    value.focus();
    return;
  }
  const literal = kind === "string" ? `"${given.replace(/["\\]/g, "\\$&")}"` : given;
  const before = filter.value.trim();
  const both = /\bor\b/.test(before) ? `(${before}) and ` : before && `${before} and `;
  filter.value = `${both}${field.value} = ${literal}`;
  value.value = "";
  filterChanged();
}

function filterChanged() {
  drawFilter();
  if (query.value.trim()) search();
}

function drawExamples() {
  const items = Object.entries(service?.examples ?? {}).flatMap(([code, texts]) =>
    texts.map((text) => {
      const button = set(make("button", "example", text), text, code);
      button.type = "button";
      button.addEventListener("click", () => {
        query.value = text;
        if (service.identifier !== "none") language.value = AUTOMATIC;
        typed();
        drawHybrid();
        search();
      });
      return make("li", "", button);
    }),
  );
  element("example-list").replaceChildren(...items);
  element("examples").hidden = items.length === 0 || Boolean(latest?.answer.hits.length);
}

// What was detected holds for the question before.
function typed() {
  set(query, query.value, language.value === AUTOMATIC ? undefined : language.value);
  const automatic = language.querySelector(`[value=${AUTOMATIC}]`);
  if (automatic) automatic.textContent = say("automatic");
}

element("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
element("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(element("key").value.trim());
  element("key").value = "";
  begin().then(() => !element("search").hidden && query.focus());
});
query.addEventListener("input", typed);
language.addEventListener("change", () => {
  typed();
  drawHybrid();
  if (query.value.trim()) search();
});
hybrid.addEventListener("change", () => {
  if (query.value.trim()) search();
});
field.addEventListener("change", drawFilter);
element("add").addEventListener("click", addCondition);
value.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // of the search
  addCondition();
});
element("clear").addEventListener("click", () => {
  filter.value = "";
  filterChanged();
});

const chooser = element("interface");
for (const each of interfaces) {
  const option = new Option(say("name", {}, each), each);
  option.lang = each;
  chooser.append(option);
}
chooser.value = locale;
chooser.addEventListener("change", () => {
  choose(chooser.value);
  draw();
});

draw();
element("search").hidden = false;
await begin();
