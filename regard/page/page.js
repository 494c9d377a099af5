"use strict";
// Everything works without this script; it adds the switches, sorting and quick tooltips.
(() => {
  const root = document.documentElement;
  const key = "regard-theme";

  // A notebook's frame has no storage: reading it throws.
  const remembered = () => {
    try { return localStorage.getItem(key); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem(key, theme); } catch { /* the choice lasts as long as the page */ }
  };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (systemDark.matches ? "dark" : "light");

  const saved = remembered();
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;

  const addSwitch = () => {
    const button = document.getElementById("theme");
    const other = () => (theme() === "dark" ? "light" : "dark");
    const words = { en: { dark: "Dark", light: "Light" }, zh: { dark: "深色", light: "浅色" } };
    const label = () => { button.textContent = (words[root.lang] ?? words.en)[other()]; };
    button.setAttribute("aria-description", "Changes the colours of the page");
    document.addEventListener("languagechosen", label);
    button.addEventListener("click", () => {
      root.dataset.theme = other();
      remember(root.dataset.theme);
      label();
    });
    systemDark.addEventListener("change", label);
    label();
    button.hidden = false;
  };

  // A page in English and Chinese: the style sheet hides what is not in the page's language.
  const addLanguages = () => {
    const button = document.getElementById("language");
    if (!button) return;
    const label = () => {
      const chinese = root.lang === "zh";
      button.textContent = chinese ? "English" : "中文";
      button.lang = chinese ? "en" : "zh";
    };
    button.addEventListener("click", () => {
      root.lang = root.lang === "zh" ? "en" : "zh";
      label();
      document.dispatchEvent(new Event("languagechosen"));
    });
    label();
    button.hidden = false;
  };

  const content = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  // The number that a text begins with, as "59.60 %" does, or NaN for what is not known.
  const number = (text) => parseFloat(text.replaceAll(",", "").replace("−", "-"));

  const compare = (column, numeric, sign) => (one, other) => {
    const [a, b] = [content(one, column), content(other, column)];
    if (!numeric) return sign * a.localeCompare(b, root.lang, { numeric: true });
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return x === y ? 0 : x < y ? -sign : sign;
  };

  const sort = (header) => {
    const table = header.closest("table");
    const numeric = header.classList.contains("number");
    const now = header.getAttribute("aria-sort");
    // Of numbers the largest are looked for first.
    const first = numeric ? "descending" : "ascending";
    const next = now === null ? first : now === "ascending" ? "descending" : "ascending";
    for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", next);
    const body = table.tBodies[0];
    const sign = next === "ascending" ? 1 : -1;
    body.append(...[...body.rows].sort(compare(header.cellIndex, numeric, sign)));
  };

  const addSorting = () => {
    for (const header of document.querySelectorAll("table.sortable thead th")) {
      if (header.closest("table").tBodies[0].rows.length < 2 || !header.textContent) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(header));
      header.append(button);
    }
  };

  // For a pointer or a finger. The keyboard has the table under each chart: a chart is one picture.
  const addTooltips = () => {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    document.body.append(tip);
    for (const title of document.querySelectorAll("svg title")) {
      title.parentNode.dataset.tip = title.textContent;
      title.remove();
    }
    const show = (event) => {
      const marked = event.target.closest?.("[data-tip]");
      tip.hidden = !marked;
      if (!marked) return;
      tip.textContent = marked.dataset.tip;
      const x = Math.min(event.clientX + 12, root.clientWidth - tip.offsetWidth - 8);
      const below = event.clientY + 16;
      const fits = below + tip.offsetHeight < root.clientHeight;
      tip.style.left = `${Math.max(8, x)}px`;
      tip.style.top = `${fits ? below : event.clientY - tip.offsetHeight - 10}px`;
    };
    const hide = () => { tip.hidden = true; };
    document.addEventListener("pointermove", show);
    document.addEventListener("pointerdown", show);
    document.addEventListener("scroll", hide, { passive: true, capture: true });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    document.documentElement.addEventListener("pointerleave", hide);
  };

  // In a notebook's frame a link to a place in the page would load the notebook into the frame.
  const keepLinksInside = () => {
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.('a[href^="#"]');
      const place = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (!place) return;
      event.preventDefault();
      place.scrollIntoView();
      place.tabIndex = -1;
      place.focus({ preventScroll: true });
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    addSwitch();
    addLanguages();
    addSorting();
    addTooltips();
    if (location.protocol === "about:") keepLinksInside();
  });
})();
