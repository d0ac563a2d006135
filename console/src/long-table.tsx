import {
  observeWindowOffset,
  observeWindowRect,
  Virtualizer,
  windowScroll,
} from '@tanstack/virtual-core';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Component, type JSX } from 'preact';
import { Empty, type TableProps } from './parts.tsx';

/** Height of a row before any was measured. */
const ROW = 31;
/** Rows that are drawn beyond the window. */
const BEYOND = 12;
/** The next page loads when so few rows are left below the window. */
const LEFT = 100;

interface LongTableProps<T> extends TableProps<T> {
  /** Loads the next page, when the person comes near the end; undefined if there is none. */
  readonly onEnd: (() => void) | undefined;
}

interface RowProps<T> {
  readonly item: T;
  readonly index: number;
  readonly columns: TableProps<T>['columns'];
  readonly measureElement: (row: HTMLTableRowElement | null) => void;
}

/** A row is drawn again only if it shows something else: most rows stay from one frame to the next. */
class Row<T> extends Component<RowProps<T>> {
  override shouldComponentUpdate({ item, index, columns }: RowProps<T>): boolean {
    const { props } = this;
    return item !== props.item || index !== props.index || columns !== props.columns;
  }

  override render({ item, index, columns, measureElement }: RowProps<T>): JSX.Element {
    return (
      <tr data-index={index} aria-rowindex={index + 2} ref={measureElement}>
        {columns.map(({ title, of, isNumber }) => (
          <td key={title} data-title={title} class={isNumber === true ? 'number' : undefined}>
            {of(item)}
          </td>
        ))}
      </tr>
    );
  }
}

/** A table of any length: only the rows in the window are elements. */
export function LongTable<T>(props: LongTableProps<T>): JSX.Element {
  const { label, items, columns, keyOf, empty, onEnd } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const askedAt = useRef(-1);
  const [, redraw] = useState(0);
  const [height, setHeight] = useState(ROW);
  const options = {
    count: items.length,
    getScrollElement: () => window,
    estimateSize: () => height,
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
  // Each row that is not as high as expected makes the virtualizer place all rows after it again.
  useLayoutEffect(() => {
    const row = body.current?.querySelector<HTMLElement>('[data-index]');
    if (row === null || row === undefined || row.offsetHeight === height) return;
    setHeight(row.offsetHeight);
    virtualizer.measure();
  }, [items.length > 0]);
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
          if (item === undefined) return null;
          const { measureElement } = virtualizer;
          return <Row key={keyOf(item)} {...{ item, index, columns, measureElement }} />;
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
