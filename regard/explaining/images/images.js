// The page: numbers → everything that follows of them → grids and pictures.
const computed = (n) => {
  if (!n.maps) return null;
  const maps = readMaps(n.maps);
  const z = [...maps.planes.map(mean), ...n.rest.means];
  const most = [...maps.planes.map(largest), ...n.rest.most];
  const r = { maps, z, shown: n.shown, chosen: 0, brightest: largest(most) };
  if (n.se) r.se = squeezeExcite(n.se, z);
  if (n.eca) r.eca = efficient(n.eca, z);
  if (n.cbam) {
    r.cbam = sharedLayers(n.cbam, z, most);
    r.space = where(n.cbam.spatial, maps, r.cbam.gate);
  }
  return r;
};

// How many numbers PyTorch gave too, and how far off the worst of them is.
const comparison = (n, r) => {
  let [count, worst] = [0, 0];
  const compare = (here, there) => {
    count += there.length;
    there.forEach((x, i) => { worst = Math.max(worst, Math.abs(x - here[i])); });
  };
  if (r) for (const [, given, { gate }] of gatesOf(n, r)) compare(gate, given.gate);
  if (n.cbam) compare(r.space.gate, readMaps(n.cbam.spatial.gate).planes[0]);
  if (n.warp) {
    const picture = readMaps(n.warp.picture);
    for (const { theta, out } of n.warp.checks) {
      const here = warped(picture, theta, n.warp.size, n.warp.step);
      readMaps(out).planes.forEach((plane, c) => compare(here.planes[c], plane));
    }
  }
  return { count, worst };
};

const startChannels = (n, r, tell) => {
  const update = [];
  const refresh = () => { for (const fill of update) fill(); };
  const choose = (c) => { r.chosen = c; refresh(); };
  update.push(...fillMaps(r, choose), () => fillSorted(n, r));
  if (byId("channel")) {
    update.push(() => fillHand(n, r));
    byId("channel").addEventListener("change", (event) => choose(Number(event.target.value)));
  }
  if (n.se) fillSqueezeExcite(n, r, tell);
  if (n.eca) fillEfficient(n, r, tell);
  if (n.cbam) {
    fillShared(n, r, tell);
    fillSpace(n, r, tell);
  }
  document.addEventListener("languagechosen", refresh);
  refresh();
};

// The spatial gate over what the convolutions saw.
const showOver = async (n, r) => {
  const moved = () => warped(readMaps(n.warp.picture), n.warp.theta, n.warp.size);
  const picture = n.moved ? drawPicture(make("canvas"), moved(), n.warp.levels)
    : document.querySelector(".seen figure:last-child img");
  if (!n.moved) await picture.decode();
  const { gate } = r.space;
  const map = drawPlane(make("canvas"), gate, r.maps, least(gate), largest(gate));
  drawOver(byId("over"), picture, map, 0.6);
  const label = () => byId("over").setAttribute("aria-label",
    word("over")(shown(least(gate)), shown(largest(gate))));
  document.addEventListener("languagechosen", label);
  label();
};

const readNumbers = (text) => {
  const n = JSON.parse(text);
  for (const { reduce, expand } of [n.se, n.cbam].filter(Boolean)) {
    for (const one of [reduce, expand]) one.weight = readMatrix(one.weight);
  }
  return n;
};
const start = () => {
  const n = readNumbers(byId("numbers").textContent);
  const r = computed(n);
  const tell = (text, cell) => {
    byIdText("readout-text", text);
    document.querySelector(".told")?.classList.remove("told");
    cell.classList.add("told");
  };
  if (r) startChannels(n, r, tell);
  if (n.cbam) showOver(n, r);
  if (n.warp) startWarp(n.warp, n.warp.levels);
  const { count, worst } = comparison(n, r);
  const facts = { count: String(count), worst: worst.toExponential(1) };
  for (const [name, text] of Object.entries(facts)) {
    for (const spot of document.querySelectorAll(`.check-${name}`)) spot.textContent = text;
  }
  byId("check").dataset.worst = worst;
  byId("check").hidden = false;
};
document.addEventListener("DOMContentLoaded", start);
