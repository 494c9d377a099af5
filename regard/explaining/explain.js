// The page: switches → numbers → grids.
const readSetting = () => ({
  score: document.querySelector('input[name="score"]:checked').value,
  scaled: byId("scaled").checked,
  temperature: Number(byId("temperature").value),
  causal: byId("causal")?.checked ?? false,
  positions: byId("positions")?.checked ?? true,
});

const makeState = (numbers) => {
  const { keys, queries = keys, place } = numbers;
  const s = { numbers, keys, queries, cross: place === "cross", index: 0, query: 0 };
  s.slice = (part) => slice(numbers.weights[part], s.index, s.all.width);
  s.update = () => {
    s.setting = readSetting();
    s.all = attend(numbers, s.setting);
    s.head = s.all.heads[s.index];
  };
  return s;
};

// id of the place, what it is called, names of rows and columns, formula, and the numbers.
const describe = (s, f) => {
  // Of a wide network the first numbers are shown; formulas and results are of all.
  const wide = s.all.out[0].map((_, j) => j + 1).slice(0, s.numbers.shown);
  const narrow = wide.slice(0, s.all.width);
  const projection = (name, part, source, names) => [
    [`W${part}`, `W^${name}`, wide, narrow, f.weight(`W^${name}`, part), () => s.slice(part)],
    [part, name, s[names], narrow, f.projected(name, part, source, names), () => s.head[part[0]]],
  ];
  return [
    ["x", "X", s.keys, wide, f.x, () => s.all.keys],
    ["from", "Y", s.queries, wide, f.from, () => s.all.queries],
    ...projection("Q", "query", "queries", "queries"),
    ...projection("K", "key", "keys", "keys"),
    ...projection("V", "value", "keys", "keys"),
    ["scores", "S", s.queries, s.keys, f.scores, () => s.head.scores],
    ["logits", "R", s.queries, s.keys, f.logits, () => s.head.logits],
    ["weights", "A", s.queries, s.keys, f.weights, () => s.head.weights, 1],
    ["z", "Z", s.queries, narrow, f.z, () => s.head.z],
    ["joined", `[Z₁ … Z${sub(s.numbers.heads - 1)}]`, s.queries, wide, f.joined, () => s.all.joined],
    ["Woutput", "W^O", wide, wide, f.output, () => s.numbers.weights.output],
    ["out", "O", s.queries, wide, f.out, () => s.all.out],
  ].filter(([id]) => byId(`grid-${id}`));
};

const makeGrids = (s) => describe(s, formulas(s)).map(
  ([id, name, rows, columns, say, matrix, most]) => {
    const label = () => `${name}: ${rows.length} × ${columns.length}`;
    const fill = makeGrid(byId(`grid-${id}`), { label, rows, columns, say });
    return () => fill(matrix(), most);
  });

// A head as a picture and a button: it chooses the head whose numbers stand above.
const makeHeads = (s, choose) => s.all.heads.map((_, h) => {
  byId("heads").classList.toggle("large", s.keys.length > ROOMY);
  const picture = make("canvas", { width: s.keys.length, height: s.queries.length, "aria-hidden": "true" });
  const name = make("span", {});
  const button = make("button", { type: "button", class: "head" }, picture, name);
  button.addEventListener("click", () => choose(h));
  byId("heads").append(button);
  return () => {
    const { weights } = s.all.heads[h];
    const drawing = picture.getContext("2d");
    weights.forEach((row, i) => row.forEach((x, j) => {
      const [red, green, blue] = viridis(x);
      drawing.fillStyle = `rgb(${red} ${green} ${blue})`;
      drawing.fillRect(j, i, 1, 1);
    }));
    name.textContent = `${word("head")} ${h + 1}`;
    button.setAttribute("aria-pressed", h === s.index);
    const strongest = weights[s.query].indexOf(Math.max(...weights[s.query]));
    button.title = `${s.queries[s.query]} → ${s.keys[strongest]}`;
  };
});

const start = () => {
  const numbers = readNumbers(byId("numbers").textContent);
  const s = makeState(numbers);
  s.update();
  const fills = makeGrids(s);
  const refresh = () => {
    s.update();
    byId("temperature-now").textContent = s.setting.temperature.toFixed(1);
    byId("scaled").disabled = s.setting.score !== "dot";
    const now = [s.setting.score, s.head.divisor === 1 ? "undivided" : "divided"];
    for (const note of document.querySelectorAll("[data-for]")) {
      note.hidden = !now.includes(note.dataset.for);
    }
    byId("head").value = s.index;
    byId("query").value = s.query;
    for (const fill of fills) fill();
    writeByHand(s, byId("hand"));
    byId("readout-text").textContent = word("hint");
  };
  const choose = (head) => { s.index = head; refresh(); };
  fills.push(...makeHeads(s, choose));
  byId("head").addEventListener("change", (event) => choose(Number(event.target.value)));
  byId("query").addEventListener("change", (event) => {
    s.query = Number(event.target.value);
    refresh();
  });
  const usual = () => {
    for (const input of document.querySelectorAll("#controls input")) {
      input.checked = input.defaultChecked;
      input.value = input.defaultValue;
    }
    choose(0);
  };
  byId("controls").addEventListener("input", (event) => {
    if (event.target.tagName === "INPUT") refresh();
  });
  byId("reset").addEventListener("click", usual);
  document.addEventListener("languagechosen", refresh);
  showCheck(comparison(numbers));
  refresh();
};
document.addEventListener("DOMContentLoaded", start);
