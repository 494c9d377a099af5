// One token's way through one head on one sheet, as one would write it with a pencil.
const handRow = (s, i, j, powers) => {
  const { k, v, scores, logits, weights } = s.head;
  const share = weights[i][j];
  return [
    s.keys[j], vector(k[j]), shown(scores[i][j]), shown(logits[i][j]), power(powers[j]),
    shown(share), vector(v[j]),
  ];
};

const writeByHand = (s, place) => {
  const i = s.query;
  const { q, z, logits, weights, v } = s.head;
  const powers = logits[i].map((x) => Math.exp(x / s.setting.temperature));
  const line = (cells, tag = "td") => make("tr", {}, ...cells.map((text, c) => (
    c ? make(tag, {}, text) : make("th", { scope: "row" }, text))));
  const rows = s.keys.map((_, j) => line(handRow(s, i, j, powers)));
  const total = line(["Σ", "", "", "", power(sum(powers)), "1", `z${sub(i)} = ${vector(z[i])}`]);
  total.className = "total";
  place.querySelector("tbody").replaceChildren(...rows, total);
  byIdText("hand-q", `q${sub(i)} = ${vector(q[i])}`);
  // Of many terms the three largest.
  const order = [...v.keys()].sort((one, other) => weights[i][other] - weights[i][one]);
  const named = (v.length <= 6 ? [...v.keys()] : order.slice(0, 3));
  const parts = named.map((j) => `${shown(weights[i][j])} × ${vector(v[j])}`);
  const rest = named.length < v.length ? " + …" : "";
  byIdText("hand-z", `z${sub(i)} = ${parts.join(" + ")}${rest} = ${vector(z[i])}`);
};
