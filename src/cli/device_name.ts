import { hostname, release, type } from "node:os";

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = { darwin: "macOS", win32: "Windows", linux: "Linux" };

/** What this computer is called, unless the person says otherwise. */
export function deviceName(): string {
  return hostname().replace(/\.(local|lan|home)$/, "") || "computer";
}

export function platformName(): string {
  return `${PLATFORMS[process.platform] ?? type()} ${release().split("-")[0] ?? ""}`.trim();
}
