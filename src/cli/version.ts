declare const APILOCKER_VERSION: string;

/** The package's version; the bundler puts it in. */
export const VERSION = typeof APILOCKER_VERSION === "string" ? APILOCKER_VERSION : "0.0.0";

export const USER_AGENT = `apilocker-cli/${VERSION} (${process.platform}; node ${process.versions.node})`;
