"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const form = document.querySelector("form.tools");
  if (!form) return;
  const cards = [...document.querySelectorAll("details.card")];
  const chips = [...form.querySelectorAll("button[data-action]")];
  const query = find("query"), namespace = find("namespace");
  const view = find("view"), open = find("open");
  const texts = new Map();
  const wide = matchMedia("(min-width:900px)");
  let chosen = null; // what the reader wants, whatever the width

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());

  const textOf = (card) => {
    if (!texts.has(card)) texts.set(card, card.textContent.toLowerCase());
    return texts.get(card);
  };

  const filter = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const actions = chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.action);
    const inside = namespace ? namespace.value : "";
    let shown = 0;
    for (const card of cards) {
      const fits = (!actions.length || actions.includes(card.dataset.action))
        && (!inside || card.dataset.namespace === inside)
        && words.every((word) => textOf(card).includes(word));
      card.hidden = !fits;
      shown += fits;
    }
    find("shown").textContent = shown === cards.length ? `${shown}` : `${shown} of ${cards.length}`;
    find("nothing").hidden = shown > 0;
  };

  // Both views are made of the rows that came with the page; a table is turned when it is seen.
  const originals = new Map();
  const bothSides = () => chosen === null ? wide.matches : chosen === "split";

  const cell = (kind, text, other) => {
    const td = document.createElement("td");
    td.className = kind;
    if (other === undefined || other === text) {
      td.textContent = text;
      return td;
    }
    let start = 0, end = 0;
    const most = Math.min(text.length, other.length);
    while (start < most && text[start] === other[start]) start++;
    while (end < most - start && text[text.length - 1 - end] === other[other.length - 1 - end]) end++;
    // Whole words read better than parts of them.
    while (start && /\w/.test(text[start - 1])) start--;
    while (end && /\w/.test(text[text.length - end])) end--;
    const changed = text.slice(start, text.length - end);
    // A line that has little in common with the other is changed as a whole.
    if (!changed || start + end < text.length / 3) {
      td.textContent = text;
      return td;
    }
    const mark = document.createElement("mark");
    mark.textContent = changed;
    td.append(text.slice(0, start), mark, text.slice(text.length - end));
    return td;
  };

  const numbered = (row, index) => cell("number", row ? row.cells[index].textContent : "");

  const side = (row, kind, other) => row
    ? cell(`text ${kind}`, row.cells[2].textContent, other && other.cells[2].textContent)
    : cell("text empty", "");

  const split = (rows) => {
    const body = document.createElement("tbody");
    const add = (...cells) => {
      const tr = document.createElement("tr");
      tr.append(...cells);
      body.append(tr);
      return tr;
    };
    for (let at = 0; at < rows.length;) {
      const row = rows[at];
      if (row.className === "hunk") {
        const words = cell("", row.cells[2].textContent);
        words.colSpan = 4;
        add(words).className = "hunk";
        at++;
      } else if (row.className === "same") {
        add(numbered(row, 0), side(row, ""), numbered(row, 1), side(row, ""));
        at++;
      } else {
        const removed = [], added = [];
        const groups = { removed, added };
        let last = removed;
        for (; at < rows.length && rows[at].className !== "same" && rows[at].className !== "hunk"; at++) {
          last = groups[rows[at].className] || last;
          last.push(rows[at]);
        }
        for (let index = 0; index < Math.max(removed.length, added.length); index++) {
          const left = removed[index], right = added[index];
          add(
            numbered(left, 0), side(left, left ? left.className : "", right),
            numbered(right, 1), side(right, right ? right.className : "", left),
          );
        }
      }
    }
    return body;
  };

  const turn = (card) => {
    if (!card.open) return;
    for (const table of card.querySelectorAll("table.diff")) {
      if (!originals.has(table)) originals.set(table, table.tBodies[0]);
      // What is new as a whole, or gone, has one side only.
      const sides = bothSides() && [...originals.get(table).rows].some((row) => row.className === "same"
        || row.className === "removed" && row.nextElementSibling?.className === "added");
      if (table.classList.contains("sides") === sides) continue;
      table.classList.toggle("sides", sides);
      const rows = originals.get(table);
      table.tBodies[0].replaceWith(sides ? split([...rows.rows]) : rows);
      let group = table.querySelector("colgroup");
      if (group) group.remove();
      if (sides) {
        group = document.createElement("colgroup");
        for (const name of ["number", "", "number", ""]) {
          const col = document.createElement("col");
          col.className = name;
          group.append(col);
        }
        table.prepend(group);
      }
    }
  };

  const name = () => {
    open.textContent = cards.some((card) => card.open) ? "Collapse all" : "Expand all";
  };

  const show = () => {
    view.ariaPressed = String(bothSides());
    for (const card of cards) turn(card);
    name();
  };

  // The state of the page is in its address, so that it can be passed on: #q=report&action=update
  const save = () => {
    const state = new URLSearchParams();
    if (query.value) state.set("q", query.value);
    for (const chip of chips) if (chip.ariaPressed === "true") state.append("action", chip.dataset.action);
    if (namespace && namespace.value) state.set("namespace", namespace.value);
    if (chosen) state.set("view", chosen);
    try {
      history.replaceState(null, "", `#${state}`);
    } catch { /* a browser that does not let files do so */ }
  };

  const load = () => {
    if (!location.hash.includes("=")) return;
    const state = new URLSearchParams(location.hash.slice(1));
    query.value = state.get("q") || "";
    const actions = state.getAll("action");
    for (const chip of chips) chip.ariaPressed = String(actions.includes(chip.dataset.action));
    if (namespace) namespace.value = state.get("namespace") || "";
    if (["split", "unified"].includes(state.get("view"))) chosen = state.get("view");
  };

  const target = () => {
    const card = cards.find((each) => `#${each.id}` === location.hash);
    if (!card) return;
    card.hidden = false;
    card.open = true;
    card.querySelector("summary").focus({ preventScroll: true });
  };

  const changed = () => { filter(); save(); };
  const clear = () => {
    query.value = "";
    if (namespace) namespace.value = "";
    for (const chip of chips) chip.ariaPressed = "false";
    changed();
    query.focus();
  };

  query.addEventListener("input", changed);
  if (namespace) namespace.addEventListener("change", changed);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.ariaPressed = String(chip.ariaPressed !== "true");
      changed();
    });
  }
  find("clear").addEventListener("click", clear);
  view.addEventListener("click", () => {
    chosen = bothSides() ? "unified" : "split";
    show();
    save();
  });
  open.addEventListener("click", () => {
    const wanted = !cards.some((card) => card.open);
    for (const card of cards) card.open = wanted;
    show();
  });
  for (const card of cards) card.addEventListener("toggle", () => { turn(card); name(); });
  wide.addEventListener("change", show);
  addEventListener("hashchange", () => { load(); filter(); target(); show(); });
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape" && document.activeElement === query) {
      clear();
    }
  });
  load();
  filter();
  target();
  show();
})();
