// Walks through every endpoint of a ScreenshotCenter-compatible API the way
// the vendor's JavaScript SDK does: key in the query, booleans and numbers as
// text, repeated keys for lists, one JSON string for objects, multipart for a
// batch, a JSON string without a JSON content type for its cancellation.
// Node 20 or newer, nothing installed.
//
//   SCREENSHOTCENTER_API_KEY=… SCREENSHOTCENTER_BASE_URL=http://127.0.0.1:8070/api/v1 node walk.mjs [URL]
//
// It prints what it did, one line a step, and ends with status 1 and the
// reason at the first answer that is not as documented.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const key = process.env.SCREENSHOTCENTER_API_KEY;
const base = (process.env.SCREENSHOTCENTER_BASE_URL ?? "").replace(/\/+$/, "");
const page = process.argv[2] ?? "https://shop.shotline.test";
assert.ok(key && base, "SCREENSHOTCENTER_API_KEY and SCREENSHOTCENTER_BASE_URL are needed");

class ApiError extends Error {
  constructor(status, body) {
    super(body?.error ?? `status ${status}`);
    this.status = status;
    this.code = body?.code;
    this.fields = body?.fields;
    this.retryAfter = body?.retry_after;
  }
}

function query(params) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null) continue;
    const composite = (v) => v !== null && typeof v === "object";
    if (Array.isArray(value) && !value.some(composite)) {
      for (const item of value) q.append(name, String(item));
    } else {
      q.set(name, composite(value) ? JSON.stringify(value) : String(value));
    }
  }
  return q;
}

async function send(method, path, params, body) {
  const response = await fetch(`${base}${path}?${query({ key, ...params })}`, { method, body });
  const isJSON = (response.headers.get("content-type") ?? "").includes("application/json");
  if (!response.ok || isJSON) {
    const answer = isJSON ? await response.json() : { error: await response.text() };
    if (!response.ok || answer.success === false) throw new ApiError(response.status, answer);
    return "success" in answer ? answer.data : answer;
  }
  return {
    kind: response.headers.get("content-type"),
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

const get = (path, params = {}) => send("GET", path, params);
const post = (path, body) => send("POST", path, {}, body);

async function refused(status, call, code) {
  const error = await call.then(
    () => assert.fail(`was answered, want status ${status}`),
    (e) => e,
  );
  assert.ok(error instanceof ApiError, String(error));
  assert.equal(error.status, status, error.message);
  if (code) assert.equal(error.code, code, error.message);
  return error;
}

async function settled(path, id) {
  for (;;) {
    const object = await get(path, { id });
    if (object.status === "finished" || object.status === "error") return object;
    assert.ok(["processing", "pending"].includes(object.status), object.status);
    await pause(50);
  }
}

const starts = (bytes, text) => assert.equal(bytes.subarray(0, text.length).toString("latin1"), text);

const steps = {
  async account() {
    const { balance } = await get("/account/info");
    assert.equal(typeof balance, "number");
    assert.ok(balance > 0);
  },

  async "wrong key"() {
    const response = await fetch(`${base}/screenshot/create?${query({ key: "wrong", url: page })}`);
    assert.equal(response.status, 401);
    const body = await response.json();
    assert.equal(body.success, false);
    assert.equal(body.code, "INVALID_API_KEY");
    const header = await fetch(`${base}/account/info`, { headers: { "X-API-KEY": key } });
    assert.equal(header.status, 200);
  },

  async "missing and invalid parameters"() {
    await refused(400, get("/screenshot/create"), "MISSING_PARAMS");
    const error = await refused(422, get("/screenshot/create", { url: page, width: -1, size: "huge" }), "VALIDATION_ERROR");
    assert.deepEqual(Object.keys(error.fields).sort(), ["size", "width"]);
    await refused(404, get("/screenshot/info", { id: 999999999 }));
  },

  async "create, info"() {
    const shot = await get("/screenshot/create", {
      url: page, country: "us", tag: ["walk", "javascript"],
      html: true, pdf: true, pdf_format: "A4", pdf_landscape: true,
      screen_width: 800, screen_height: 600, dark: false, shots: 2, shot_interval: 1,
      steps: [{ command: "scroll", value: "200" }, { command: "wait", value: "1" }],
    });
    assert.equal(typeof shot.id, "number");
    assert.ok(["processing", "finished"].includes(shot.status));
    assert.equal(shot.url, `${page}/`);
    assert.deepEqual(shot.tag, ["walk", "javascript"]);
    assert.equal(typeof shot.country, "string");
    const done = await settled("/screenshot/info", shot.id);
    assert.equal(done.status, "finished", done.error);
    assert.equal(done.error, null);
    assert.equal(typeof done.cost, "number");
    assert.equal(typeof done.finished_at, "string");
    assert.deepEqual([done.html, done.pdf, done.video], [true, true, false]);
    assert.deepEqual([done.has_html, done.has_pdf, done.has_video], [true, true, false]);
    assert.equal(done.shots, 2);
    this.shot = done.id;
  },

  async thumbnail() {
    const id = this.shot;
    const whole = await get("/screenshot/thumbnail", { id });
    assert.equal(whole.kind, "image/png");
    starts(whole.bytes, "\x89PNG");
    assert.deepEqual([whole.bytes.readUInt32BE(16), whole.bytes.readUInt32BE(20)], [800, 600]);
    const small = await get("/screenshot/thumbnail", { id, width: 200, shot: 2 });
    assert.deepEqual([small.bytes.readUInt32BE(16), small.bytes.readUInt32BE(20)], [200, 150]);
    const cut = await get("/screenshot/thumbnail", { id, top: 100, left: 300, ratio: "fit", width: 250, height: 500 });
    assert.deepEqual([cut.bytes.readUInt32BE(16), cut.bytes.readUInt32BE(20)], [250, 250]);
    const jpeg = await get("/screenshot/thumbnail", { id, format: "jpeg", quality: 40, width: 100 });
    assert.equal(jpeg.kind, "image/jpeg");
    starts(jpeg.bytes, "\xff\xd8\xff");
    const webp = await get("/screenshot/thumbnail", { id, format: "webp", width: 100 });
    assert.equal(webp.kind, "image/webp");
    starts(webp.bytes, "RIFF");
    await refused(422, get("/screenshot/thumbnail", { id, ratio: "stretch" }), "VALIDATION_ERROR");
  },

  async "html, pdf, video"() {
    const id = this.shot;
    const html = await get("/screenshot/html", { id });
    assert.match(html.bytes.toString("utf8").toLowerCase(), /<html/);
    const pdf = await get("/screenshot/pdf", { id });
    assert.equal(pdf.kind, "application/pdf");
    starts(pdf.bytes, "%PDF");
    await refused(404, get("/screenshot/video", { id }));
  },

  async "list, search"() {
    const listed = await get("/screenshot/list", { tag: "javascript", status: "finished", country: "us", limit: 5 });
    assert.ok(Array.isArray(listed));
    assert.equal(listed[0].id, this.shot);
    assert.deepEqual(await get("/screenshot/list", { tag: "javascript", limit: 5, offset: 1 }), []);
    const found = await get("/screenshot/search", { url: new URL(page).host, limit: 5 });
    assert.ok(found.some((s) => s.id === this.shot));
    await refused(400, get("/screenshot/search"), "MISSING_PARAMS");
  },

  async delete() {
    const id = this.shot;
    await get("/screenshot/delete", { id, data: "image" });
    await refused(404, get("/screenshot/thumbnail", { id }));
    assert.equal((await get("/screenshot/info", { id })).id, id);
    await get("/screenshot/delete", { id, data: "url" });
    await get("/screenshot/delete", { id, data: "metadata" });
    await get("/screenshot/delete", { id, data: "all" });
    await refused(404, get("/screenshot/info", { id }));
  },

  async "batch create, info, list, download"() {
    const form = new FormData();
    form.append("file", new Blob([`${page}/\nhttps://broken.shotline.test/\n`], { type: "text/plain" }), "urls.txt");
    form.append("country", "us");
    form.append("tag", "walk-batch");
    const batch = await post("/batch/create", form);
    assert.equal(typeof batch.id, "number");
    assert.ok(["processing", "finished"].includes(batch.status));
    assert.equal(batch.count, 2);
    const done = await settled("/batch/info", batch.id);
    assert.equal(done.status, "finished", done.error);
    assert.deepEqual([done.count, done.processed, done.failed], [2, 2, 1]);
    assert.equal(typeof done.zip_url, "string");
    assert.ok((await get("/batch/list", { limit: 10 })).some((b) => b.id === batch.id));
    const zip = await get("/batch/download", { id: batch.id });
    assert.equal(zip.kind, "application/zip");
    starts(zip.bytes, "PK");
    assert.equal((await get("/screenshot/list", { tag: "walk-batch" })).length, 2);
    const noCountry = new FormData();
    noCountry.append("file", new Blob([page]), "urls.txt");
    await refused(400, post("/batch/create", noCountry), "MISSING_PARAMS");
  },

  async "batch create as JSON, cancel"() {
    const batch = await post("/batch/create", JSON.stringify({ urls: Array(40).fill(page), country: "us" }));
    const id = batch.batch_id;
    assert.equal(typeof id, "number");
    await post("/batch/cancel", JSON.stringify({ id })).catch((error) => assert.equal(error.status, 409, error)); // over before
    const done = await settled("/batch/info", id);
    assert.ok(["finished", "error"].includes(done.status));
    await refused(404, get("/batch/info", { id: 999999999 }));
  },

  async crawl() {
    await refused(501, post("/crawl/create", JSON.stringify({ url: page, domain: new URL(page).host, max_urls: 5 })));
    await refused(501, get("/crawl/info", { id: 1 }));
    await refused(501, get("/crawl/list"));
    await refused(501, post("/crawl/cancel", JSON.stringify({ id: 1 })));
  },

  async "unknown endpoint"() {
    await refused(404, get("/screenshot/frame"));
  },
};

const walk = {};
for (const [name, step] of Object.entries(steps)) {
  try {
    await step.call(walk);
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exit(1);
  }
  console.log(`ok  ${name}`);
}
