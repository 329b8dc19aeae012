// Moves the strip's left handle as a reader would and notes, frame by frame, when every figure shows
// it. PLAN is put before it: what to wait for, the figures, the texts to upload, how many moves.
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const frame = () => new Promise(requestAnimationFrame);
const shown = (window_) => PLAN.figures.every(
  (key) => document.querySelector(`.st-key-${key} .chart`)?.dataset.stamp?.endsWith(window_));

async function complete() { while (!PLAN.complete(PLAN.ready)) await sleep(100); }

async function upload() {
  let input;
  while (!(input = document.querySelector("input[type=file]"))) await sleep(100);
  const files = new DataTransfer();
  files.items.add(new File([PLAN.texts], "texts.txt", { type: "text/plain" }));
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  while (!document.querySelector(".st-key-map_chart .chart[data-drawn]")) {
    [...document.querySelectorAll("button")].find((b) => b.textContent.startsWith("Embed"))?.click();
    await sleep(300);
  }
}

async function redrawn(grip, begun) {
  for (;;) {
    const now = await frame();
    const wanted = `${grip.getAttribute("aria-valuenow")}:${PLAN.right}`;
    if (shown(wanted)) return now - begun;
    if (now - begun > 20_000) throw new Error(`${wanted} is not shown: ${JSON.stringify([
      window.embfilterWindow, ...PLAN.figures.map((key) => document.querySelector(`.st-key-${key} .chart`)?.dataset)])}`);
  }
}

async function press(grip, key) {
  await frame();
  const begun = performance.now();
  grip.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return redrawn(grip, begun);
}

async function drag(grip, pixels) {
  grip.setPointerCapture = () => {};  // a made-up pointer cannot be captured
  const { x } = grip.getBoundingClientRect(), at = (type, clientX) => grip.dispatchEvent(
    new PointerEvent(type, { clientX, pointerId: 1, bubbles: true, cancelable: true }));
  at("pointerdown", x);
  let begun;
  for (let step = 1; step <= 24; step++) {
    begun = performance.now();
    at("pointermove", x + (pixels * step) / 24);
    await sleep(8);
  }
  const found = await redrawn(grip, begun), last = `${grip.getAttribute("aria-valuenow")}:${PLAN.right}`;
  at("pointerup", x + pixels);
  await sleep(500);  // would an older window still be drawn over it?
  if (!shown(last)) throw new Error(`an older window was drawn over ${last}`);
  return found;
}

async function run() {
  if (PLAN.texts) await upload();
  await complete();
  await sleep(3000);
  const grip = document.querySelector(".grip-l"), presses = [], drags = [];
  grip.focus();
  for (let move = -3; move < PLAN.moves; move++) {  // the first three warm up
    const found = await press(grip, move % 3 ? "ArrowRight" : "ArrowLeft");
    if (move >= 0) presses.push(found);
    await sleep(150 + 200 * Math.random());
  }
  for (let move = 0; move < PLAN.drags; move++) {
    drags.push(await drag(grip, [-90, 60, -45, 75][move % 4]));
    await sleep(500);
  }
  tell({ presses, drags });
}

run().catch((error) => tell({ failed: String(error) }));
