import type { Connection, TypeCastField, TypeCastNext } from 'mysql2';
import { BrokerError } from '../../../domain/errors.ts';

/** Bounds of one connection. The broker reads a few rows of grants and connections; the socket bounds all bytes together (1 MiB). */
const MYSQL_BOUNDS = {
  /** Bytes of one packet. The longest legitimate one is a line of SHOW GRANTS. */
  packetBytes: 2 ** 18,
  /** Packets of a connection. Each column and each row is one. */
  packets: 32_768,
} as const;

interface Packet {
  readonly sequenceId: number;
  length(): number;
  peekByte(): number;
}

/** The part of the driver's connection that takes each packet before anything of it is decoded. Its types do not have it. */
interface PacketTaker {
  readonly sequenceId: number;
  handlePacket(packet?: Packet): void;
}

const ERROR_MARK = 0xff;

/**
 * Refuses packets beyond the bounds and out of order before the driver decodes them, with and without TLS. For each packet out of order the driver
 * makes an error and writes a line to standard error, so a server could keep the process busy with packets of four bytes.
 */
export function boundPackets(connection: Connection, refuse: (error: BrokerError) => void): void {
  const taker = connection as unknown as PacketTaker;
  const handle = taker.handlePacket.bind(taker);
  let count = 0;
  let isRefused = false;
  taker.handlePacket = (packet) => {
    if (isRefused) return;
    const reason = packet && reasonAgainst(packet, (count += 1), taker.sequenceId);
    if (reason === undefined) {
      handle(packet);
      return;
    }
    isRefused = true;
    refuse(new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason }));
  };
}

function reasonAgainst(packet: Packet, count: number, expected: number): string | undefined {
  if (count > MYSQL_BOUNDS.packets || packet.length() > MYSQL_BOUNDS.packetBytes)
    return 'too_large';
  // MySQL sends an error with the number 0 before it closes an idle connection (WL#12999).
  const isLastWord = packet.sequenceId === 0 && packet.peekByte() === ERROR_MARK;
  return packet.sequenceId === expected || isLastWord ? undefined : 'protocol';
}

const NUMBERS = new Set([
  'TINY',
  'SHORT',
  'INT24',
  'LONG',
  'LONGLONG',
  'YEAR',
  'FLOAT',
  'DOUBLE',
  'NULL',
]);

/** Numbers are read as such, everything else as bytes: the server names the types, and the driver would parse JSON, geometries and dates for it. */
export function readPlain(field: TypeCastField, next: TypeCastNext): unknown {
  return NUMBERS.has(field.type) ? next() : field.buffer();
}
