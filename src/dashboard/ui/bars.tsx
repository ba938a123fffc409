import { useEffect, useRef, useState, type ReactNode } from "react";

/** A bar: what it stands on, what is told about it, and its parts from the bottom up. */
export type Bar = { id: string; label: string; title: string; parts: readonly { className: string; value: number }[] };

type BarsProps = { bars: readonly Bar[]; label: string; format: (value: number) => string; whole?: boolean };

const [HEIGHT, FLOOR, TOP] = [190, 22, 8];
/** A label needs this much room. */
const LABEL_WIDTH = 76;
const NARROWEST = 200;

/** Bars over time, drawn to the width that there is, so that lines and letters keep their size on every screen. */
export function Bars({ bars, label, format, whole = false }: BarsProps): ReactNode {
  const [room, width] = useWidth();
  const sums = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const top = niceCeiling(Math.max(whole ? 1 : 0.01, ...sums));
  const marks = [0, top / 2, top].map(
    (value) => [value, whole && !Number.isInteger(value) ? "" : format(value)] as const,
  );
  const left = 8 + 7 * Math.max(...marks.map(([, text]) => text.length));
  const step = (width - left) / bars.length;
  const y = (value: number) => (HEIGHT - FLOOR - TOP) * (1 - value / top) + TOP;
  const every = Math.ceil(LABEL_WIDTH / step);
  return (
    <div ref={room}>
      <svg className="chart" width={width} height={HEIGHT} role="img" aria-label={label}>
        {marks.map(([value, text]) => (
          <g key={value}>
            <line x1={left} x2={width} y1={y(value)} y2={y(value)} className="chart-line" />
            <text x={left - 8} y={y(value) + 4} textAnchor="end" className="chart-text">
              {text}
            </text>
          </g>
        ))}
        {bars.map(({ id, label: word, title, parts }, index) => {
          const x = left + index * step;
          // The newest bar has its label; the others count back from it.
          const labelled = (bars.length - 1 - index) % every === 0 && x + step / 2 - LABEL_WIDTH / 2 > left - 8;
          const middle = Math.min(x + step / 2, width - LABEL_WIDTH / 3);
          return (
            <g key={id}>
              <title>{title}</title>
              <rect x={x} y={TOP} width={step} height={HEIGHT - FLOOR - TOP} className="chart-hit" />
              <Stack parts={parts} x={x + step * 0.14} width={step * 0.72} y={y} />
              {labelled ? (
                <text x={middle} y={HEIGHT - 5} textAnchor="middle" className="chart-text">
                  {word}
                </text>
              ) : null}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

type StackProps = { parts: Bar["parts"]; x: number; width: number; y: (value: number) => number };

function Stack({ parts, x, width, y }: StackProps): ReactNode {
  let below = 0;
  return parts.map(({ className, value }) => {
    const [top, bottom] = [y(below + value), y(below)];
    below += value;
    if (value <= 0) return null;
    return <rect key={className} x={x} y={top} width={width} height={bottom - top} rx={1.5} className={className} />;
  });
}

function useWidth() {
  const room = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(300);
  useEffect(() => {
    if (room.current === null) return;
    const watch = new ResizeObserver(([entry]) =>
      setWidth(Math.max(NARROWEST, Math.floor(entry?.contentRect.width ?? NARROWEST))),
    );
    watch.observe(room.current);
    return () => watch.disconnect();
  }, []);
  return [room, width] as const;
}

function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((factor) => factor * magnitude >= value) ?? 10) * magnitude;
}
