import { defineConfig } from "vite";

/** A plain build: hashed files of our own under /assets, nothing inlined, nothing from elsewhere (SECURITY S25). */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: "public",
  build: {
    // The first browsers that know light-dark(), so that themes stay plain CSS.
    target: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
    // What the size test measures by. The Worker does not serve it.
    manifest: true,
  },
});
