import { connect } from 'ws-server-client';

connect('wss://example.com/ws').channel<{ payload: number }>('room').publish({ payload: 'no number' });
