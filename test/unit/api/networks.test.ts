import { createServer, Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { limitsConfigSchema } from '../../../src/api/config.ts';
import { ConnectionLimits } from '../../../src/net/listener/connection-limits.ts';
import { Rates } from '../../../src/api/request/rates.ts';
import { networkOf } from '../../../src/domain/network/ip-address.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

/** Addresses of one /64, each used once. */
function addressesOfOneHost(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => `2001:db8:0:1::${(n + 1).toString(16)}`);
}

describe('a host with all addresses of an IPv6 network', () => {
  it('has one rate for all its addresses (DI03)', () => {
    const limits = limitsConfigSchema.parse({ addressRate: { perSecond: 1, burst: 500 } });
    const rates = new Rates(new HandClock(), limits);
    const admitted = addressesOfOneHost(20_000).filter((address) => {
      try {
        rates.takeFromNetwork(networkOf(address), 1);
        return true;
      } catch {
        return false;
      }
    });
    expect(admitted).toHaveLength(500);
    expect(() => rates.takeFromNetwork(networkOf('2001:db8:0:2::1'), 1)).not.toThrow();
  });

  it('has the connection limit of one address, and others still connect (DI03)', () => {
    const bounds = { maxConnections: 100, maxConnectionsPerAddress: 10 };
    const limits = new ConnectionLimits(bounds);
    const server = createServer();
    limits.guard(server);
    const connect = (remoteAddress: string): Socket => {
      const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress });
      server.emit('connection', socket);
      return socket;
    };
    const isOpen = ({ destroyed }: Socket): boolean => !destroyed;
    const ofHost = addressesOfOneHost(50).map(connect);
    const others = ['2001:db8:0:2::1', '203.0.113.1'].map(connect);
    expect([ofHost.filter(isOpen).length, others.filter(isOpen).length]).toEqual([10, 2]);
  });
});
