"use strict";
(() => {
const book = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const pte = ([mm, page]) => `${data.processes[mm] ?? mm}:${page}`;
const view = { step: 0, folio: null, walks: [], two: false, at: Infinity };
let data = null; // the chapter that is shown
let timer = 0;

// Small helpers

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function choices(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => {
    const option = make("option", text);
    option.value = value;
    return option;
  }));
  select.value = chosen;
}

// What is shown

const step = () => data.steps[view.step];
const folio = () => step().folios.find((one) => one.id === view.folio);

/* An ordinary folio is walked by rmap_walk_anon, whatever walk was asked for. */
function traceOf(side) {
  const one = folio();
  if (!one) return null;
  const name = view.walks[side] in one.walks ? view.walks[side] : "anon";
  const index = one.walks[name];
  return index === undefined ? null : { name, ...book.traces[index] };
}

/* The moments of a walk: before it, each search, each VMA met, the verdict. */
function momentsOf(trace) {
  const moments = [{}];
  if (!trace) return moments;
  trace.legs.forEach((leg, l) => {
    moments.push({ leg, l });
    (leg.looks ?? []).forEach((look, k) => moments.push({ leg, l, look, k }));
  });
  moments.push({ end: true });
  return moments;
}

// Lighting up a picture

function lights(trace, moments, at) {
  const lit = new Map(step().fresh.map((key) => [key, ["fresh"]]));
  const add = (key, name) => lit.set(key, [...(lit.get(key) ?? []), name]);
  const one = folio();
  if (one) add(`f${one.id}`, "wanted");
  if (!trace) return lit;
  const now = moments[at];
  for (const key of foundUntil(trace, moments, at)) add(`p${key}`, "hit");
  if (now.end) {
    trace.found.forEach(([mm, page]) => add(`p${mm}:${page}`, "hit"));
    trace.missed.forEach(([mm, page]) => add(`p${mm}:${page}`, "missed"));
    const crux = trace.legs[trace.crux];
    if (crux) Object.entries(crux.ways).forEach(([slot, way]) => add(`n${crux.av}:${slot}`, way));
    if (crux?.item) add(`i${crux.item.join(":")}`, "on");
    bestFates(trace).forEach((kind, key) => add(key, kind));
  }
  if (!now.leg) return lit;
  const { av, item, ways, looks } = now.leg;
  add(`i${item ? item.join(":") : one.id}`, "on");
  add(`a${av}`, "on");
  Object.entries(ways).forEach(([slot, way]) => add(`n${av}:${slot}`, way));
  (looks ?? []).slice(0, (now.k ?? -1) + 1).forEach(([slot, kind]) => add(`b${av}:${slot}`, kind));
  if (now.look) {
    const [slot, kind, mm, start, page, times] = now.look;
    add(`b${av}:${slot}`, "now");
    add(`n${av}:${slot}`, "now");
    add(`c${av}:${slot}`, "on");
    if (times === 1) add(`v${mm}:${start}`, "now");
    if (kind !== "address" && kind !== "mm") add(`p${mm}:${page}`, "now");
  }
  return lit;
}

/* At the end a VMA shows the best fate that it met in any loop. */
function bestFates(trace) {
  const rank = ["address", "mm", "vain", "again", "hit"];
  const best = new Map();
  for (const { av, looks } of trace.legs) {
    for (const [slot, kind] of looks ?? []) {
      const key = `b${av}:${slot}`;
      if (rank.indexOf(kind) > rank.indexOf(best.get(key))) best.set(key, kind);
    }
  }
  return best;
}

function foundUntil(trace, moments, at) {
  return moments.slice(0, at + 1)
    .filter(({ look }) => look && (look[1] === "hit" || look[1] === "again"))
    .map(({ look }) => `${look[2]}:${look[4]}`);
}

function lightUp(box, lit, leg) {
  for (const node of box.querySelectorAll("[data-k]")) {
    node.dataset.base ??= node.getAttribute("class");
    const more = lit.get(node.dataset.k);
    const wanted = more ? `${node.dataset.base} ${more.join(" ")}` : node.dataset.base;
    if (node.getAttribute("class") !== wanted) node.setAttribute("class", wanted);
    if (node.dataset.k.startsWith("m")) {
      const on = leg && leg.beam && node.dataset.k === `m${leg.av}`;
      if (on) node.setAttribute("x", leg.beam[0]);
      node.setAttribute("width", on ? leg.beam[1] : 0);
    }
  }
}

// Words

function sayMoment(trace, moment) {
  if (!trace) return ["", step().folios.length ? "Pick a folio and a walk." : "No folio is mapped after this call."];
  if (moment.end) return sayVerdict(trace);
  if (!moment.leg) return ["", `Before the walk. Wanted are the page-table entries that map folio ${view.folio}: ${folio().entries}.`];
  const { leg, look } = moment;
  if (look) {
    const [, kind, mm, start, page, times] = look;
    const who = times > 1 ? count(times, "VMA") : `The VMA of ${data.processes[mm] ?? mm} that begins at page ${start}`;
    return [kind, `${who} — ${book.phrases[kind].replace("{page}", page)}.`];
  }
  return ["", saySearch(leg)];
}

function saySearch(leg) {
  const whose = leg.item ? `Pass ${leg.pass}, item ${pte(leg.item)} (${leg.pass ? "every process but" : "only"} ${data.processes[leg.item[0]] ?? leg.item[0]})` : "rmap_walk_anon";
  if (leg.av === null) return `The walk does not say what it looked at: ${count(leg.n[3], "visit")}.`;
  const met = leg.n[0] === 1 ? "one VMA is met" : leg.n[0] ? `${leg.n[0].toLocaleString("en")} VMAs are met` : "no VMA is met";
  const fallback = leg.fallback ? " (second, full walk)" : "";
  return `${whose}${fallback}: search ${leg.range} in anon_vma ${leg.av}; ${met}.`;
}

function sayVerdict(trace) {
  const cost = `${count(trace.iterations, "iteration")}, ${count(trace.visits, "visit")} in ${count(trace.loops, "loop")}.`;
  if (!trace.missed.length) return ["hit", `The walk finds every entry: ${list(trace.found)}. ${cost}`];
  return ["missed", `MISSED: ${trace.why.join("; ")}. The folio can neither be unmapped nor migrated. Found: ${list(trace.found) || "nothing"}. ${cost}`];
}

function count(number, what) {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}

function list(ptes) {
  return ptes.slice(0, 6).map(pte).join(" ") + (ptes.length > 6 ? ` and ${ptes.length - 6} more` : "");
}

// Drawing

const sides = [0, 1].map((side) => {
  const box = make("article", undefined, "side");
  const title = box.appendChild(make("h3"));
  const summary = box.appendChild(make("p", "", "summary"));
  const say = box.appendChild(make("p", "", "say"));
  const picture = box.appendChild(make("div", undefined, "scroll"));
  say.setAttribute("aria-live", side ? "off" : "polite");
  const loops = box.appendChild(make("div", undefined, "scroll"));
  $("sides").appendChild(box);
  return { box, title, summary, picture, say, loops, drawn: -1, listed: null };
});

function drawSide(side) {
  const here = sides[side];
  const trace = traceOf(side);
  const moments = momentsOf(trace);
  const at = Math.min(view.at, moments.length - 1);
  if (here.drawn !== step().picture) {
    here.picture.innerHTML = book.pictures[step().picture];
    here.drawn = step().picture;
  }
  lightUp(here.picture, lights(trace, moments, at), moments[at].leg ?? (moments[at].end && trace.legs[trace.crux]));
  const [kind, words] = sayMoment(trace, moments[at]);
  here.say.textContent = words;
  here.say.className = `say ${kind}`;
  drawTitle(here, trace);
  drawLoops(here, trace, moments, at);
  return moments.length;
}

function drawTitle(here, trace) {
  here.title.replaceChildren(make("span", trace ? `walk ${trace.name}` : `after call ${step().n}`));
  if (trace) {
    const bad = trace.missed.length;
    here.title.append(make("span", bad ? `misses ${list(trace.missed)}` : "finds every entry", `verdict ${bad ? "bad" : "good"}`));
  }
  here.summary.textContent = trace ? book.walks[trace.name] ?? "" : "";
}

function drawLoops(here, trace, moments, at) {
  if (here.listed !== trace?.legs) {
    here.loops.replaceChildren(...(trace ? [loopTable(trace, moments)] : []));
    here.listed = trace?.legs ?? null;
  }
  [...here.loops.querySelectorAll("tbody tr")].forEach((row, l) => row.classList.toggle("here", moments[at].l === l));
}

function loopTable(trace, moments) {
  const table = make("table");
  const head = table.createTHead().insertRow();
  for (const title of ["pass", "item", "search", "iterations", "skipped by address", "by mm", "visits"]) head.append(make("th", title));
  const body = table.createTBody();
  trace.legs.forEach((leg, l) => {
    const row = body.insertRow();
    const words = [leg.pass, leg.item ? pte(leg.item) : "–", leg.range, ...leg.n.map((n) => n.toLocaleString("en"))];
    for (const word of words) row.insertCell().textContent = word;
    row.onclick = () => go(moments.findIndex((moment) => moment.l === l));
  });
  if (trace.more) table.createTFoot().insertRow().append(make("td", `and ${trace.more.toLocaleString("en")} more loops`));
  return table;
}

function draw() {
  const two = view.two && traceOf(0)?.name !== traceOf(1)?.name;
  $("sides").classList.toggle("two", two);
  $("second").hidden = !view.two;
  sides[1].box.hidden = !two;
  const most = Math.max(drawSide(0), two ? drawSide(1) : 0) - 1;
  view.at = Math.min(view.at, most);
  $("at").max = most;
  $("at").value = view.at;
  $("count").textContent = `${view.at} of ${most}`;
  [...$("steps").querySelectorAll("button")].forEach((button, n) => {
    if (n === view.step) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
  });
}

// Moves

function go(at) {
  view.at = Math.max(0, at);
  draw();
}

function goStep(number) {
  view.step = Math.min(Math.max(number, 0), data.steps.length - 1);
  const folios = step().folios;
  if (!folio()) view.folio = (folios.find((one) => one.missed) ?? folios[0] ?? { id: null }).id;
  choices($("folio"), folios.map((one) => [one.id, one.label]), view.folio);
  view.at = Infinity;
  draw();
  $("steps").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => (view.at >= Number($("at").max) ? play(false) : go(view.at + 1)), 900) : 0;
  $("play").setAttribute("aria-pressed", String(on));
  $("play").textContent = on ? "❚❚" : "▶▶";
  if (on && view.at >= Number($("at").max)) go(0);
}

function cycle(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}

const THEMES = ["auto", "light", "dark"];
function theme() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  $("theme").textContent = `theme: ${next}`;
}

// Controls

const KEYS = {
  ArrowLeft: () => go(view.at - 1), ArrowRight: () => go(view.at + 1), Home: () => go(0), End: () => go(Infinity),
  j: () => goStep(view.step + 1), k: () => goStep(view.step - 1), f: () => cycle($("folio")), w: () => cycle($("walk0")),
  v: () => cycle($("walk1")), n: () => cycle($("chapter")), c: () => $("two").click(), t: theme, " ": () => play(!timer),
};

function wire() {
  [0, 1].forEach((side) => {
    $(`walk${side}`).onchange = (event) => { view.walks[side] = event.target.value; go(Infinity); };
  });
  $("chapter").onchange = (event) => openChapter(Number(event.target.value));
  $("two").onchange = (event) => { view.two = event.target.checked; draw(); };
  $("folio").onchange = (event) => { view.folio = Number(event.target.value); go(Infinity); };
  $("at").oninput = (event) => go(Number(event.target.value));
  const moves = { first: "Home", back: "ArrowLeft", play: " ", next: "ArrowRight", last: "End", theme: "t" };
  for (const [id, key] of Object.entries(moves)) $(id).onclick = KEYS[key];
  document.addEventListener("keydown", (event) => {
    const tag = event.target.tagName;
    if (event.ctrlKey || event.altKey || event.metaKey || tag === "SELECT" || (tag === "INPUT" && event.key.startsWith("Arrow"))) return;
    if (event.key === " " && (tag === "BUTTON" || tag === "INPUT" || tag === "SUMMARY")) return;
    const move = KEYS[event.key];
    if (move) { event.preventDefault(); move(); }
  });
}

function listSteps() {
  $("steps").replaceChildren();
  data.steps.forEach((one, number) => {
    if (one.skipped) $("steps").append(make("li", `… ${one.skipped.toLocaleString("en")} calls`, "gap"));
    const item = $("steps").appendChild(make("li"));
    const button = item.appendChild(make("button"));
    button.type = "button";
    button.append(make("span", one.n, "n"), make("span", one.call, "call"));
    if (one.misses.length) {
      const flag = button.appendChild(make("span", "✕", "flag"));
      flag.title = `missed by ${one.misses.join(", ")}`;
    }
    button.onclick = () => goStep(number);
  });
}

function openChapter(number) {
  data = book.chapters[number];
  Object.assign(view, { folio: null, walks: data.open.walks.slice(), two: data.open.two });
  $("title").textContent = data.name;
  $("about").textContent = data.about;
  $("source").textContent = data.scenario;
  $("notes").replaceChildren(...data.notes.map((note) => make("li", note)));
  [0, 1].forEach((side) => choices($(`walk${side}`), data.names.map((name) => [name, name]), view.walks[side]));
  $("two").checked = view.two;
  listSteps();
  goStep(data.steps.length - 1);
}

$("legend").insertAdjacentHTML("beforeend", book.legend);
choices($("chapter"), book.chapters.map((one, n) => [n, `${n + 1}: ${one.about || one.name}`]), 0);
$("choice").hidden = book.chapters.length < 2;
wire();
openChapter(0);
})();
