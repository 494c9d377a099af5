// Sums, how they are written, colours: what the pages on texts and on pictures both need.
const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
const dot = (a, b) => sum(a.map((x, i) => x * b[i]));
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const sub = (n) => String(n + 1).replace(/\d/g, (digit) => SUBSCRIPTS[digit]);
const inBrackets = (x) => (x < 0 ? `(${shown(x)})` : shown(x));
const LONG = 32; // of a longer sum the beginning is written out
const products = (a, b) => {
  const terms = a.map((x, i) => `${inBrackets(x)}×${inBrackets(b[i])}`);
  return terms.length <= LONG ? terms.join(" + ")
    : `${terms.slice(0, 8).join(" + ")} + … (${terms.length})`;
};
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const viridis = (part) => {
  const place = Math.max(0, Math.min(1, part)) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return VIRIDIS[below].map((x, c) => (
    Math.round(x + (VIRIDIS[below + 1][c] - x) * (place - below))));
};
const vector = (row) => `(${row.slice(0, 8).map(shown).join(", ")}${row.length > 8 ? ", …" : ""})`;
const byId = (id) => document.getElementById(id);
const byIdText = (id, text) => { byId(id).textContent = text; };
