import {
  observeWindowOffset,
  observeWindowRect,
  Virtualizer,
  windowScroll,
} from '@tanstack/virtual-core';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Empty, type TableProps } from './parts.tsx';

/** Height of a row before it was measured. */
const ROW = 31;
/** Rows that are drawn beyond the window. */
const BEYOND = 12;
/** The next page loads when so few rows are left below the window. */
const LEFT = 100;

interface LongTableProps<T> extends TableProps<T> {
  /** Loads the next page, when the person comes near the end; undefined if there is none. */
  readonly onEnd: (() => void) | undefined;
}

/** A table of any length: only the rows in the window are elements. */
export function LongTable<T>(props: LongTableProps<T>): JSX.Element {
  const { label, items, columns, keyOf, empty, onEnd } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const askedAt = useRef(-1);
  const [, redraw] = useState(0);
  const options = {
    count: items.length,
    getScrollElement: () => window,
    estimateSize: () => ROW,
    overscan: BEYOND,
    scrollMargin: body.current === null ? 0 : body.current.getBoundingClientRect().top + scrollY,
    initialRect: { width: innerWidth, height: innerHeight },
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    onChange: () => redraw((times) => times + 1),
  };
  const [virtualizer] = useState(() => new Virtualizer<Window, HTMLTableRowElement>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  const rows = virtualizer.getVirtualItems();
  const [first, last] = [rows[0], rows.at(-1)];
  useLayoutEffect(() => {
    if (last === undefined || last.index < items.length - LEFT) return;
    if (askedAt.current === items.length) return;
    askedAt.current = items.length;
    onEnd?.();
  }, [last?.index, items.length]);
  if (items.length === 0) return <Empty>{empty}</Empty>;
  const above = first === undefined ? 0 : first.start - options.scrollMargin;
  const below =
    last === undefined ? 0 : virtualizer.getTotalSize() - (last.end - options.scrollMargin);
  return (
    <table aria-label={label} class="long" aria-rowcount={items.length + 1}>
      <thead>
        <tr aria-rowindex={1}>
          {columns.map(({ title, isNumber }) => (
            <th key={title} scope="col" class={isNumber === true ? 'number' : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        <Space height={above} />
        {rows.map(({ index }) => {
          const item = items[index];
          return item === undefined ? null : (
            <tr
              key={keyOf(item)}
              data-index={index}
              aria-rowindex={index + 2}
              ref={(row) => virtualizer.measureElement(row)}
            >
              {columns.map(({ title, of, isNumber }) => (
                <td key={title} data-title={title} class={isNumber === true ? 'number' : undefined}>
                  {of(item)}
                </td>
              ))}
            </tr>
          );
        })}
        <Space height={below} />
      </tbody>
    </table>
  );
}

/** The place of the rows that are not drawn. */
function Space({ height }: { readonly height: number }): JSX.Element | null {
  const row = useRef<HTMLTableRowElement>(null);
  useLayoutEffect(() => row.current?.style.setProperty('height', `${height}px`), [height]);
  return height <= 0 ? null : <tr aria-hidden="true" class="space" ref={row} />;
}
