import { spawn } from "node:child_process";
import type { Environment } from "./environment.ts";

/** The program that opens a page, and its arguments: a list, never a line for a shell, since the URL is somebody else's text. */
export function openerOf(url: string, platform: NodeJS.Platform, env: Environment): [string, string[]] {
  if (env.BROWSER) return [env.BROWSER, [url]];
  if (platform === "darwin") return ["open", [url]];
  if (platform === "win32") return ["rundll32", ["url.dll,FileProtocolHandler", url]];
  return ["xdg-open", [url]];
}

/** Shows a page to the person, if that can be done. It is printed too, so that nothing hangs on it. */
export function openPage(url: string): void {
  if (!/^https?:\/\//.test(url) || process.env.APILOCKER_NO_BROWSER) return;
  const [program, args] = openerOf(url, process.platform, process.env);
  const child = spawn(program, args, { stdio: "ignore", detached: true, shell: false });
  child.on("error", () => {});
  child.unref();
}
