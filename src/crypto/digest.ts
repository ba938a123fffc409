import { hash } from "node:crypto";
import { utf8 } from "./encoding.ts";

/** SHA-256 of a text, base64url. In one go: `createHash` makes a stream object each time, which costs as much again. */
export function sha256(text: string): string {
  return hash("sha256", utf8(text), "buffer").toString("base64url");
}
