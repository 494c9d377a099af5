// Channel gates and CBAM on plain arrays. Maps are planes, one a channel, row after row.
const readMaps = ({ data, shape: [channels, height, width] }) => {
  const numbers = floats(data);
  const size = height * width;
  const planes = Array.from({ length: channels }, (_, c) => numbers.subarray(c * size, (c + 1) * size));
  return { height, width, planes };
};
const mean = (numbers) => sum(numbers) / numbers.length;
const largest = (numbers) => numbers.reduce((most, x) => Math.max(most, x), -Infinity);
const least = (numbers) => numbers.reduce((most, x) => Math.min(most, x), Infinity);
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// W z + b, then ReLU, then W h + b.
const layer = ({ weight, bias }, z) => weight.map((row, i) => dot(row, z) + bias[i]);
const twoLayers = ({ reduce, expand }, z) => {
  const before = layer(reduce, z);
  const hidden = before.map((x) => Math.max(0, x));
  return { before, hidden, out: layer(expand, hidden) };
};
const squeezeExcite = (se, z) => {
  const steps = twoLayers(se, z);
  return { ...steps, gate: steps.out.map((x) => se.top * sigmoid(x)) };
};

// k taps slide along the channels; beyond both ends is zero, or the other end of a ring.
const neighbourhood = ({ taps, circular }, z, c) => taps.map((_, t) => {
  const place = c + t - (taps.length - 1) / 2;
  return circular ? z[(place + z.length) % z.length] : z[place] ?? 0;
});
const efficient = (eca, z) => {
  const around = z.map((_, c) => neighbourhood(eca, z, c));
  const out = around.map((some) => dot(eca.taps, some));
  return { around, out, gate: out.map((x) => eca.top * sigmoid(x)) };
};

const sharedLayers = (cbam, means, most) => {
  const [a, b] = [twoLayers(cbam, means), twoLayers(cbam, most)];
  const out = a.out.map((x, c) => x + b.out[c]);
  return { means, most, a, b, out, gate: out.map((x) => cbam.top * sigmoid(x)) };
};

// Over the channels of the gated maps: largest and mean at each place.
const pooled = ({ planes }, gate) => {
  const at = (i) => planes.map((plane, c) => gate[c] * plane[i]);
  const places = Array.from(planes[0], (_, i) => i);
  return { max: places.map((i) => largest(at(i))), mean: places.map((i) => mean(at(i))) };
};
// What one place sees of a map, around it: [weight, value] for each tap inside the frame.
const seenFrom = (kernel, plane, { height, width }, i, j) => {
  const half = (kernel.length - 1) / 2;
  return kernel.flatMap((row, a) => row.flatMap((weight, b) => {
    const [y, x] = [i + a - half, j + b - half];
    return y < 0 || x < 0 || y >= height || x >= width ? [] : [[weight, plane[y * width + x]]];
  }));
};
const convolved = (kernel, plane, { height, width }, i, j) => {
  const half = (kernel.length - 1) / 2;
  let total = 0;
  for (let y = Math.max(0, i - half); y <= Math.min(height - 1, i + half); y += 1) {
    for (let x = Math.max(0, j - half); x <= Math.min(width - 1, j + half); x += 1) {
      total += kernel[y - i + half][x - j + half] * plane[y * width + x];
    }
  }
  return total;
};
// Where not all maps are on the page, it has what PyTorch pools from them.
const readPooled = ({ max, mean: means }) => ({ max: readMaps(max).planes[0], mean: readMaps(means).planes[0] });
const where = (spatial, maps, gate) => {
  const statistics = spatial.statistics ? readPooled(spatial.statistics) : pooled(maps, gate);
  const each = (of, n) => spatial.kernels.map((kernel, s) => of(
    kernel, statistics[spatial.order[s]], maps, Math.floor(n / maps.width), n % maps.width));
  const parts = (n) => each(seenFrom, n).flat();
  const before = Array.from(maps.planes[0], (_, n) => sum(each(convolved, n)));
  const logits = before.map((x) => spatial.factor * x + spatial.shift);
  return { statistics, parts, before, logits, gate: logits.map((x) => spatial.top * sigmoid(x)) };
};
