import type { ReactNode } from "react";

/** Our icons: 24 units square, drawn in the colour of the text. They come with the app, never from elsewhere. */
const SHAPES = {
  overview: "M4 4h7v9H4zM13 4h7v5h-7zM13 12h7v8h-7zM4 16h7v4H4z",
  key: "M15.5 3.5a5 5 0 1 0-4.6 7L9 12.4V15H6.5v2.5H4V20h4l5.6-5.6A5 5 0 0 0 15.5 3.5ZM16.5 7.5h.01",
  token: "M4 7.5h16v3a1.5 1.5 0 0 0 0 3v3H4v-3a1.5 1.5 0 0 0 0-3zM14 7.5v9",
  connect: "M9 7V3M15 7V3M6.5 7h11v4a5.5 5.5 0 0 1-11 0zM12 16.5V21",
  activity: "M3 12h4l2.5-7 5 14L17 12h4",
  alert: "M12 4 2.8 19.5h18.4zM12 10v4M12 17h.01",
  approve: "M4 12.5 9.5 18 20 6.5",
  explain: "M9.2 9a2.9 2.9 0 1 1 4.2 2.6c-.9.5-1.4 1-1.4 2.2M12 17h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  client: "M12 3 4 7v10l8 4 8-4V7zM4 7l8 4 8-4M12 11v10",
  machine: "M4 4.5h16v6H4zM4 13.5h16v6H4zM7.5 7.5h.01M7.5 16.5h.01M12 7.5h4.5M12 16.5h4.5",
  spend:
    "M12 3v18M16.5 7.2C15.8 5.9 14.1 5 12 5c-2.5 0-4.5 1.4-4.5 3.4 0 4.6 9.5 2.2 9.5 6.9 0 2.1-2.2 3.7-5 3.7-2.5 0-4.5-1.2-5-3",
  device: "M4 5h16v11H4zM2 19.5h20",
  settings:
    "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM12 3v2.5M12 18.5V21M3 12h2.5M18.5 12H21M5.6 5.6l1.8 1.8M16.6 16.6l1.8 1.8M5.6 18.4l1.8-1.8M16.6 7.4l1.8-1.8",
  freeze: "M12 2.5v19M3.8 7.2l16.4 9.6M3.8 16.8 20.2 7.2M9.5 4 12 6.5 14.5 4M9.5 20l2.5-2.5 2.5 2.5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M4.5 12.5 10 18 19.5 6.5",
  plus: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6 6 18",
  right: "M9 5l7 7-7 7",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.5 19 12 7 19.5z",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  rotate: "M20 11a8 8 0 0 0-14.3-4L3 9.5M3 4.5v5h5M4 13a8 8 0 0 0 14.3 4l2.7-2.5M21 19.5v-5h-5",
  trash: "M4 7h16M9.5 7V4h5v3M6.5 7l1 13h9l1-13",
  edit: "M4 20l.8-4L16 4.8l3.2 3.2L8 19.2z",
  out: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  download: "M12 4v11M7 10.5 12 15.5l5-5M4 20h16",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5a7.5 7.5 0 0 1 15 0",
  hook: "M9 8a3.5 3.5 0 1 1 5.2 3L16.5 15.5M8.5 15.5 12 9M6 13a3.5 3.5 0 1 0 3.5 5.5H15M18 19.5a3.5 3.5 0 1 0-3-4.5",
  shield: "M12 3 4.5 6v5.5c0 4.5 3 8 7.5 9.5 4.5-1.5 7.5-5 7.5-9.5V6z",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  doctor:
    "M12 20s-8-4.7-8-10.5A4.5 4.5 0 0 1 12 7a4.5 4.5 0 0 1 8 2.5C20 15.3 12 20 12 20ZM7 12h2.5l1.5-2.5 2 4 1.5-1.5H17",
} as const;

export type IconName = keyof typeof SHAPES;

/** An icon beside words that say the same; screen readers pass over it. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }): ReactNode {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2.6 : 1.7}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={SHAPES[name]} />
    </svg>
  );
}

/** Our mark. */
export function Mark({ size = 22 }: { size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <rect x="2" y="2" width="20" height="20" rx="6" className="mark" />
      <path d="M12 7.25a2.6 2.6 0 0 0-1.2 4.9l-.55 4.1h3.5l-.55-4.1a2.6 2.6 0 0 0-1.2-4.9Z" fill="#fff" />
    </svg>
  );
}
