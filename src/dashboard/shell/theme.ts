import { useState } from "react";

const THEMES = ["system", "light", "dark"] as const;

/** Light, dark, or as the system has it. */
export type Theme = (typeof THEMES)[number];

const NAME = "apilocker.theme";

function chosen(): Theme {
  const kept = localStorage.getItem(NAME);
  return THEMES.find((theme) => theme === kept) ?? "system";
}

/** Dresses the page before it is drawn, so that nothing flashes. */
export function applyTheme(theme: Theme = chosen()): void {
  if (theme === "system") delete document.documentElement.dataset.mode;
  else document.documentElement.dataset.mode = theme;
}

/** The theme, and how to choose another; it stays with this browser. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(chosen);
  const choose = (next: Theme) => {
    localStorage.setItem(NAME, next);
    applyTheme(next);
    setTheme(next);
  };
  return [theme, choose];
}
