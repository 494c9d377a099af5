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
  const { compare, found } = tally();
  if (r) for (const [, given, { gate }] of gatesOf(n, r)) compare(gate, given.gate);
  if (n.cbam) compare(r.space.gate, readMaps(n.cbam.spatial.gate).planes[0]);
  if (n.warp) {
    const picture = readMaps(n.warp.picture);
    for (const { theta, out } of n.warp.checks) {
      const here = warped(picture, theta, n.warp.size, n.warp.step);
      readMaps(out).planes.forEach((plane, c) => compare(here.planes[c], plane));
    }
  }
  return found;
};

const startChannels = (n, r) => {
  const update = [];
  const refresh = () => { for (const fill of update) fill(); };
  const choose = (c) => { r.chosen = c; refresh(); };
  update.push(...fillMaps(r, choose), () => fillSorted(n, r));
  if (byId("channel")) {
    update.push(() => fillHand(n, r));
    byId("channel").addEventListener("change", (event) => choose(Number(event.target.value)));
  }
  if (n.se) fillSqueezeExcite(n, r);
  if (n.eca) fillEfficient(n, r);
  if (n.cbam) {
    fillShared(n, r);
    fillSpace(n, r);
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
  if (r) startChannels(n, r);
  if (n.cbam) showOver(n, r);
  if (n.warp) startWarp(n.warp, n.warp.levels);
  showCheck(comparison(n, r));
};
document.addEventListener("DOMContentLoaded", start);
