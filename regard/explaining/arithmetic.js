// The whole mechanism on plain arrays of arrays. A matrix is a list of rows.
const plus = (matrix, bias) => (
  bias ? matrix.map((row) => row.map((x, j) => x + bias[j])) : matrix);
const transposed = (matrix) => matrix[0].map((_, j) => matrix.map((row) => row[j]));
const product = (a, b) => {
  const columns = transposed(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
};
const slice = (matrix, head, width) =>
  matrix.map((row) => row.slice(head * width, (head + 1) * width));
const vectorTimes = (row, matrix) => product([row], matrix)[0];

// How alike are a query and a key? Three answers.
const additiveTerms = (q, k, { query, key, v }) => {
  const [a, b] = [vectorTimes(q, query), vectorTimes(k, key)];
  return v.map((weight, c) => [weight, Math.tanh(a[c] + b[c]), a[c], b[c]]);
};
const score = {
  dot: (q, k) => dot(q, k),
  cosine: (q, k, scale) => scale * dot(q, k) / (Math.hypot(...q) * Math.hypot(...k)),
  additive: (q, k, learned) => sum(additiveTerms(q, k, learned).map(([w, t]) => w * t)),
};

// Shares that sum to one. What is −∞ gets nothing; the largest is taken off first, which changes
// no share and lets no exponential overflow.
const softmax = (row, temperature) => {
  const most = Math.max(...row);
  const powers = row.map((x) => Math.exp((x - most) / temperature));
  const total = sum(powers);
  return powers.map((x) => x / total);
};

// One head, step by step, with every step kept.
const oneHead = (q, k, v, setting, learned) => {
  const scores = q.map((a) => k.map((b) => score[setting.score](a, b, learned)));
  const divisor = setting.score === "dot" && setting.scaled ? Math.sqrt(q[0].length) : 1;
  const logits = scores.map((row, i) => row.map((x, j) => (
    setting.causal && j > i ? -Infinity : x / divisor)));
  const weights = logits.map((row) => softmax(row, setting.temperature));
  return { q, k, v, scores, divisor, logits, weights, z: product(weights, v) };
};

// All heads, their results side by side, times W^O.
const attend = (numbers, setting) => {
  const { keys, queries = keys } = numbers.inputs[setting.positions ? "on" : "off"];
  const projected = (rows, part) => plus(product(rows, numbers.weights[part]), numbers.biases[part]);
  const [q, k, v] = [
    projected(queries, "query"), projected(keys, "key"), projected(keys, "value")];
  const width = q[0].length / numbers.heads;
  const learned = (head) => {
    const { cosine, additive } = numbers.scores;
    if (setting.score === "cosine") return cosine[head];
    return additive && { query: additive.query[head], key: additive.key[head], v: additive.v[head] };
  };
  const heads = Array.from({ length: numbers.heads }, (_, head) => oneHead(
    slice(q, head, width), slice(k, head, width), slice(v, head, width), setting, learned(head)));
  const joined = queries.map((_, i) => heads.flatMap((head) => head.z[i]));
  return { queries, keys, width, learned, heads, joined, out: projected(joined, "output") };
};

// Every setting that PyTorch computed too: how many numbers there are, and how far off the worst is.
const comparison = (numbers) => {
  const { compare, found: total } = tally();
  const { score: own, scaled: divided } = numbers.native;
  const usual = `${own === "dot" ? `dot/${divided ? "on" : "off"}` : own}|all|on`;
  for (const [name, expected] of Object.entries(numbers.torch.z)) {
    const [kind, reach, positions] = name.split("|");
    const [scoreName, scaled] = kind.split("/");
    const found = attend(numbers, {
      score: scoreName, scaled: scaled === "on", causal: reach === "causal",
      positions: positions === "on", temperature: 1,
    });
    compare(found.joined[0], expected);
    if (name === usual) found.out.forEach((row, i) => compare(row, numbers.torch.out[i]));
  }
  return { ...total, settings: Object.keys(numbers.torch.z).length };
};

const eachRead = (matrices) => Object.fromEntries(
  Object.entries(matrices).map(([name, matrix]) => [name, readMatrix(matrix)]));
const readNumbers = (text) => {
  const numbers = JSON.parse(text);
  const { on, off } = numbers.inputs;
  numbers.inputs = { on: eachRead(on), off: eachRead(off) };
  numbers.weights = eachRead(numbers.weights);
  numbers.torch.out = readMatrix(numbers.torch.out);
  return numbers;
};
