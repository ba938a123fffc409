import { expect, test } from "vitest";
import { newHolder, problemIn } from "../support/holder.ts";
import { activity, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const DESTINATIONS = [
  "document",
  "iframe",
  "frame",
  "embed",
  "object",
  "image",
  "script",
  "style",
  "font",
  "worker",
  "manifest",
  "video",
];

test("a browser that navigates, embeds or registers a worker is refused before the vault is asked", async () => {
  const { call, upstream, person } = await newHolder(locker);
  const requests: Record<string, string>[] = [
    { "sec-fetch-mode": "navigate", "sec-fetch-dest": "empty" },
    { "sec-fetch-mode": "navigate" },
    { "service-worker": "script" },
    ...["serviceworker", "sharedworker", ...DESTINATIONS].map((dest) => ({
      "sec-fetch-dest": dest,
      "sec-fetch-mode": "no-cors",
    })),
  ];
  for (const headers of requests) {
    const refused = await call("/page", { headers });
    expect([headers, refused.status, problemIn(refused).code]).toEqual([headers, 403, "browser_refused"]);
    // A refusal by the vault would name the row that it made.
    expect(refused.headers["apilocker-request-id"]).toBeUndefined();
  }
  expect(upstream.seen).toHaveLength(0);
  expect((await activity(person)).filter(({ action }) => action === "proxy.call")).toEqual([]);
});

test("a script's own fetch, as SDKs that run in a browser or in Node make it, is served", async () => {
  const { call } = await newHolder(locker);
  for (const mode of ["cors", "same-origin", "no-cors"]) {
    const { status } = await call("/v1", { headers: { "sec-fetch-mode": mode, "sec-fetch-dest": "empty" } });
    expect(status).toBe(200);
  }
});

const ACTIVE = [
  "text/html",
  "TEXT/HTML; charset=utf-8",
  " text/html",
  "application/xhtml+xml",
  "image/svg+xml",
  "text/xml",
  "application/xml; charset=utf-8",
  "application/atom+xml",
  "text/xsl",
  "multipart/x-mixed-replace; boundary=b",
  // Of several types on one line browsers take the last.
  "text/plain, text/html",
  "text/plain;charset=utf-8,image/svg+xml",
  "garbage",
];
const PASSIVE = [
  "application/json",
  "text/plain",
  "text/event-stream",
  "image/png",
  "application/octet-stream",
  "application/pdf",
];

test("what a browser could render as a page comes as a download", async () => {
  const { call, upstream } = await newHolder(locker);
  for (const type of ACTIVE) {
    upstream.answerWith(({ socket }) => {
      socket.end(
        `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-disposition: inline\r\ncontent-length: 2\r\n\r\nhi`,
      );
    });
    expect([type, (await call("/page")).headers["content-disposition"]]).toEqual([type, "attachment"]);
  }
});

test("so does an answer without a type", async () => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith((_request, response) => void response.end("<script>alert(1)</script>"));
  expect((await call("/page")).headers["content-disposition"]).toBe("attachment");
});

test("data keeps its own disposition, or none", async () => {
  const { call, upstream } = await newHolder(locker);
  for (const type of PASSIVE) {
    upstream.answerWith((_request, response) => void response.writeHead(200, { "content-type": type }).end("hi"));
    expect([type, (await call("/data")).headers["content-disposition"]]).toEqual([type, undefined]);
  }
  const named = 'attachment; filename="report.csv"';
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-type": "text/csv", "content-disposition": named }).end("a,b");
  });
  expect((await call("/data")).headers["content-disposition"]).toBe(named);
});

test("our own refusals carry the same guards", async () => {
  const { call } = await newHolder(locker);
  for (const sent of [
    { headers: { "sec-fetch-mode": "navigate" } },
    { headers: { authorization: "" } },
    { method: "TRACE" },
  ]) {
    const { headers } = await call("/v1", sent);
    expect(headers).toMatchObject({
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
      "cloudflare-cdn-cache-control": "no-store",
    });
  }
});

test("the proxy's origin neither reads nor sets a cookie", async () => {
  const { call, upstream, person } = await newHolder(locker);
  upstream.answerWith((_request, response) => void response.writeHead(200, { "set-cookie": "session=theirs" }).end());
  const answered = await call("/v1", { headers: { cookie: person.cookie } });
  expect(answered.status).toBe(200);
  expect(answered.headers["set-cookie"]).toBeUndefined();
  expect(upstream.seen[0]?.headers.cookie).toBeUndefined();
  const byCookie = await call("/v1", { headers: { authorization: "", cookie: person.cookie } });
  expect(byCookie.status).toBe(401);
});
