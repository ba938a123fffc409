import { release } from "node:os";

const SUPPORTED = new Set(["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"]);
const GLIBC = [2, 35];
// macOS 13.5 runs on Darwin 22.6.
const DARWIN = [22, 6];

/** Which binaries this machine needs; part of the stamp that says whether an install is current. */
export const platform = `${process.platform}-${process.arch}`;

/** One sentence that says why the Workers runtime cannot run here, or nothing. */
export function whyNotHere() {
  if (!SUPPORTED.has(platform)) {
    return `API Locker needs Linux, macOS or Windows on x64, or Linux or macOS on arm64: there is no Workers runtime for ${platform}.`;
  }
  if (process.platform === "darwin" && older(release(), DARWIN)) {
    return "API Locker needs macOS 13.5 or newer: the Workers runtime does not start on an older one.";
  }
  if (process.platform !== "linux") return undefined;
  const glibc = glibcVersion();
  if (glibc === undefined) {
    return "API Locker needs a Linux with glibc: there is no Workers runtime for musl (Alpine); a Debian or Ubuntu image works.";
  }
  if (older(glibc, GLIBC)) {
    return `API Locker needs glibc 2.35 or newer (Ubuntu 22.04, Debian 12): this machine has ${glibc}, on which the Workers runtime does not start.`;
  }
  return undefined;
}

function glibcVersion() {
  // Without this the report looks up the name of every address of the machine.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime;
}

function older(version, [major, minor]) {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a < major || (a === major && b < minor);
}
