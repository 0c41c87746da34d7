// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Federation, FederationFixture} from "./FederationFixture.sol";
import {MerkleTree} from "./MerkleTree.sol";

/// @dev Drives a federation and its disputes contract at random: honest steps that move a round on, members that come, go
/// and rotate, calls of anybody at any time, disputes that strangers bring against honest work, and, rarely, verdicts
/// given by the disputes contract's address. After each call it compares rounds and identities with what it saw before.
contract FederationHandler is FederationFixture {
    uint256 private constant SHARES = 12;
    uint256 private constant PLACES = 12;

    IDisputes private _court;
    address[] private _accounts;
    mapping(uint256 round => IFederation.Round) private _seen;
    mapping(address account => IFederation.Status) private _status;
    mapping(bytes32 place => bool) private _convicted;
    uint256 private _firstUndecided = 1;
    uint256 private _observations;
    uint256 private _newcomers;
    uint256 public paidIn;
    uint256 public paidOut;
    string public violation;
    uint256[8] public reached;
    uint256[8] public happened;

    /// @dev What `happened` counts, for the test that the handler is not vacuous.
    enum Happening {
        TAKEN_OVER,
        DISPUTED,
        REVEALED,
        EXPIRED,
        CONVICTED,
        LEFT,
        ROTATED,
        CLAIMED
    }

    constructor() {
        VM.warp(START);
        VM.roll(1000);
        deployEmpty(defaultConfig());
        _court = IDisputes(federation.disputes());
        _join(IFederation.Role.AGGREGATOR);
        _join(IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            _join(IFederation.Role.PARTICIPANT);
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            _join(IFederation.Role.TRUSTEE);
        }
        publishKey(THRESHOLD, uint8(SHARES));
        fund(OPERATOR, POOL);
        paidIn += POOL;
        _accounts.push(STRANGER);
        _accounts.push(OPERATOR);
        _observe();
    }

    function defaultConfig() internal view override returns (IFederation.Config memory config) {
        config = super.defaultConfig();
        config.participantsPerRound = 4;
        config.maxMissed = 2;
        config.payoutRule = IFederation.PayoutRule.RELIABILITY;
        config.claimSeconds = 3 days;
    }

    function target() external view returns (Federation) {
        return federation;
    }

    // ---------------------------------------------------------------------------------------------------- the actions

    /// @dev One to four honest steps of the newest round, or the opening of the next.
    function advance(uint256 seed) external {
        for (uint256 step = 0; step <= (seed >> 128) & 3; ++step) {
            _advance(uint256(keccak256(abi.encode(seed, step))));
            _observe();
        }
    }

    /// @dev Anybody calls anything about any round.
    function stray(uint256 seed, uint256 round) external {
        round = bound(round, 0, federation.lastRound() + 1);
        address sender = _anybody(seed >> 8);
        VM.prank(sender);
        if (seed % 9 == 0) {
            try federation.closeCommits(round) {} catch {}
        } else if (seed % 9 == 1) {
            try federation.abortRound(round) {} catch {}
        } else if (seed % 9 == 2) {
            try federation.settleRound(round) {} catch {}
        } else if (seed % 9 == 3) {
            try federation.commitAggregate(round, (seed >> 8) & 0xff, _aggregateRoot()) {} catch {}
        } else if (seed % 9 == 4) {
            try federation.attest(round, bytes32(seed | 1)) {} catch {}
        } else if (seed % 9 == 5) {
            try federation.finalizeRound(round, PROOF, PROOF, PROOF, PROOF) {} catch {}
        } else if (seed % 9 == 6) {
            try federation.commitUpdate(round, bytes32(seed | 1), 1, PROOF) {} catch {}
        } else if (seed % 9 == 7) {
            try federation.convict(round, AGGREGATOR, true, sender, 1) {
                violation = "anybody can convict";
            } catch {}
        } else {
            try federation.voidDescendant(round) {} catch {}
        }
        _observe();
    }

    /// @dev A stranger brings a dispute against what honest parties did: of every kind, with all that is public.
    function challenge(uint256 seed) external {
        uint256 last = federation.lastRound();
        if (last == 0) return;
        uint256 round = bound(seed >> 8, last > 3 ? last - 3 : 1, last);
        if (seed % 4 == 0) _challengeAggregate(round);
        else if (seed % 4 == 1) _challengeAvailability(round);
        else if (seed % 4 == 2) _challengeEquivocation(round, seed);
        else _challengeOmission(round, seed);
        _observe();
    }

    /// @dev Anybody goes on with, ends, or takes back any dispute.
    function meddle(uint256 seed) external {
        uint256 last = _court.lastDispute();
        if (last == 0) return;
        uint256 dispute = bound(seed >> 8, 1, last);
        VM.prank(_anybody(seed >> 16));
        if (seed % 4 == 0) {
            try _court.withdraw(dispute) {} catch {}
        } else if (seed % 4 == 1) {
            try _court.expire(dispute) {} catch {}
        } else if (seed % 4 == 2) {
            try _court.conclude(dispute, "m", "p", _aggregateRoot(), _leaf(), new bytes32[](0)) {} catch {}
        } else {
            try _court.proveWrongCount(
                dispute, bytes32(seed), new IDisputes.Commitment[](0), _aggregateRoot(), 2, bytes32(seed)
            ) {}
                catch {}
        }
        _observe();
    }

    /// @dev Rarely, a verdict: what follows from one must be accounted for whatever the state is.
    function verdict(uint256 seed) external {
        uint256 last = federation.lastRound();
        if (seed % 8 != 0 || last == 0) return;
        uint256 round = bound(seed >> 8, last > 2 ? last - 2 : 1, last);
        IFederation.Round memory r = federation.roundOf(round);
        if (r.phase == IFederation.Phase.SETTLED || r.phase == IFederation.Phase.VOIDED) return;
        bool attested = r.attested != 0 && seed % 16 == 0;
        address offender = attested ? r.aggregator : _anybody(seed >> 64);
        if (federation.identityOf(offender).epoch == 0) return; // never registered
        _convicted[_place(offender)] = true;
        for (uint256 i = 0; attested && i < federation.countOf(IFederation.Role.TRUSTEE); ++i) {
            if ((r.attested >> i) & 1 == 1) {
                _convicted[keccak256(abi.encode(IFederation.Role.TRUSTEE, i))] = true;
            }
        }
        convict(round, offender, attested, STRANGER);
        ++happened[uint256(Happening.CONVICTED)];
        _observe();
    }

    /// @dev Members leave, rotate, resume, take their stakes, or are revoked; others come.
    function turnOver(uint256 seed) external {
        address account = _anybody(seed >> 8);
        IFederation.Identity memory identity = federation.identityOf(account);
        if (seed % 8 == 0) {
            VM.prank(account);
            try federation.leaveFederation() {
                ++happened[uint256(Happening.LEFT)];
            } catch {}
        } else if (seed % 8 < 3) {
            bool moves = seed % 8 == 1 && identity.status == IFederation.Status.ACTIVE;
            address newAccount = moves ? _newcomer(identity.role) : account;
            VM.prank(account);
            try federation.rotateIdentity(newAccount, abi.encode(seed), bytes32(seed | 1)) {
                ++happened[uint256(Happening.ROTATED)];
            } catch {}
        } else if (seed % 8 == 3) {
            VM.prank(account);
            try federation.resume() {} catch {}
        } else if (seed % 8 == 4) {
            try federation.releaseStake(account) {} catch {}
        } else if (seed % 64 == 5 && identity.status == IFederation.Status.ACTIVE) {
            revoke(account);
        } else {
            _fill();
        }
        _observe();
    }

    function money(uint256 seed) external {
        address account = _anybody(seed >> 8);
        if (seed % 3 == 0) {
            uint256 amount = (seed >> 32) % 10 ether;
            fund(account, amount);
            paidIn += amount;
        } else if (seed % 3 == 1) {
            VM.prank(account);
            uint256 amount = federation.claim();
            paidOut += amount;
            if (amount != 0) ++happened[uint256(Happening.CLAIMED)];
        } else {
            try federation.expireReward(account) {} catch {}
        }
        _observe();
    }

    /// @dev Time passes; at times somebody notices what was missed. Before it does, the honest answer what is asked.
    function wait(uint256 seed) external {
        _answer();
        uint256 round = federation.lastRound();
        IFederation.Round memory r = federation.roundOf(round);
        uint256 until = time() + (seed % 16 == 0 ? bound(seed >> 8, 1, 1 days) : bound(seed >> 8, 1, 120));
        bool stalls = r.phase == IFederation.Phase.UPLOAD && seed % 4 == 1 && time() <= r.aggregateDeadline;
        VM.warp(stalls ? r.aggregateDeadline + bound(seed >> 8, 1, STANDBY_SECONDS) : until);
        if (seed % 4 == 0) {
            try federation.abortRound(round) {} catch {}
        } else {
            VM.prank(
                federation.accountAt(
                    IFederation.Role.AGGREGATOR, seed % federation.countOf(IFederation.Role.AGGREGATOR)
                )
            );
            try federation.takeOver(round) {
                ++happened[uint256(Happening.TAKEN_OVER)];
            } catch {}
        }
        _observe();
    }

    /// @dev The oldest round that is not decided, after its window; or its dispute, after its deadline.
    function decide(uint256 seed) external {
        uint256 round = _firstUndecided;
        if (round > federation.lastRound()) return;
        _answer();
        uint256 challengeEnd = federation.roundOf(round).challengeEnd;
        if (seed % 2 == 0 && time() < challengeEnd) VM.warp(challengeEnd);
        uint256 last = _court.lastDispute();
        for (uint256 dispute = last > 4 ? last - 4 : 1; dispute <= last; ++dispute) {
            try _court.expire(dispute) {
                ++happened[uint256(Happening.EXPIRED)];
            } catch {
                try _court.withdraw(dispute) {} catch {}
            }
        }
        try federation.settleRound(round) {}
        catch {
            try federation.voidDescendant(round) {} catch {}
        }
        _observe();
    }

    // ------------------------------------------------------------------------------------------------------ accounting

    function sumOfClaimable() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _accounts.length; ++i) {
            sum += federation.claimable(_accounts[i]);
        }
    }

    function sumOfStakes() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _accounts.length; ++i) {
            sum += federation.identityOf(_accounts[i]).stake;
        }
    }

    function sumOfReserved() external view returns (uint256 sum) {
        uint256 last = federation.lastRound();
        for (uint256 round = _firstUndecided; round <= last; ++round) {
            IFederation.Round memory r = federation.roundOf(round);
            if (!_isTerminal(r.phase)) sum += r.reward;
        }
    }

    function sumOfBonds() external view returns (uint256 sum) {
        uint256 last = _court.lastDispute();
        for (uint256 dispute = 1; dispute <= last; ++dispute) {
            if (_court.disputeOf(dispute).outcome == IDisputes.Outcome.OPEN) sum += BOND;
        }
    }

    /// @dev What the events of all rounds say that their transcripts and heads are.
    function checkHeads() external view {
        uint256 last = federation.lastRound();
        for (uint256 round = _firstUndecided > 2 ? _firstUndecided - 2 : 1; round <= last; ++round) {
            assertMirrored(federation, round);
        }
        assertEq(federation.verdicts(), mirroredVerdicts, "verdicts");
    }

    // -------------------------------------------------------------------------------------------------- honest steps

    function _advance(uint256 seed) private {
        uint256 round = federation.lastRound();
        IFederation.Round memory r = federation.roundOf(round);
        VM.roll(height() + 1);
        if (r.phase == IFederation.Phase.COMMIT) {
            _advanceCommit(round, r, seed);
        } else if (r.phase == IFederation.Phase.UPLOAD) {
            if (seed % 8 == 1) return _stall(round, r, seed >> 8);
            uint256 accepted = r.committed;
            if (seed % 4 == 0) accepted &= ~(1 << (seed / 4 % PARTICIPANTS));
            VM.prank(r.aggregator);
            try federation.commitAggregate(round, accepted, _aggregateRoot()) {} catch {}
        } else if (r.phase == IFederation.Phase.DECRYPT) {
            VM.prank(r.aggregator);
            try federation.finalizeRound(round, PLAINTEXT, PROOF, keccak256(abi.encode(seed)), RESULT) {}
            catch {
                uint256 count = federation.countOf(IFederation.Role.TRUSTEE);
                for (uint256 i = 0; i < count; ++i) {
                    VM.prank(federation.accountAt(IFederation.Role.TRUSTEE, (seed + i) % count));
                    try federation.attest(round, bytes32(seed | 1)) {
                        return;
                    } catch {}
                }
            }
        } else {
            _open(round + 1, seed);
        }
    }

    /// @dev The aggregator is gone, and another one comes.
    function _stall(uint256 round, IFederation.Round memory r, uint256 seed) private {
        _answer();
        if (time() <= r.aggregateDeadline) VM.warp(r.aggregateDeadline + bound(seed, 1, STANDBY_SECONDS));
        uint256 count = federation.countOf(IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < count; ++i) {
            VM.prank(federation.accountAt(IFederation.Role.AGGREGATOR, (seed + i) % count));
            try federation.takeOver(round) {
                ++happened[uint256(Happening.TAKEN_OVER)];
                return;
            } catch {}
        }
    }

    function _open(uint256 round, uint256 seed) private {
        bytes32 model = federation.currentModel();
        IFederation.Deadlines memory times = deadlines();
        (,, uint256 selected) = federation.drawOf();
        uint256 count = federation.countOf(IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < count; ++i) {
            VM.prank(federation.accountAt(IFederation.Role.AGGREGATOR, (seed + i) % count));
            try federation.openRound(
                round, bytes32(seed | 1), model == 0 ? BASE_MODEL : model, selected, 2, 1, times
            ) {
                return;
            } catch {}
        }
    }

    function _advanceCommit(uint256 round, IFederation.Round memory r, uint256 seed) private {
        uint256 missing = r.selected & ~r.committed;
        for (uint256 i = 0; i < PLACES; ++i) {
            uint256 index = (seed + i) % PLACES;
            if ((missing >> index) & 1 == 0) continue;
            VM.prank(federation.accountAt(IFederation.Role.PARTICIPANT, index));
            try federation.commitUpdate(round, bytes32(seed | 1), 1, PROOF) {
                return;
            } catch {}
        }
        try federation.closeCommits(round) {} catch {}
    }

    /// @dev The aggregator shows every ciphertext that was demanded, as an honest one does in time.
    function _answer() private {
        uint256 last = _court.lastDispute();
        for (uint256 dispute = last > 4 ? last - 4 : 1; dispute <= last; ++dispute) {
            if (_court.disputeOf(dispute).kind != IDisputes.Kind.AVAILABILITY) continue;
            VM.prank(_accounts[0]);
            try _court.reveal(dispute, _leaf(), new bytes32[](0)) {
                ++happened[uint256(Happening.REVEALED)];
            } catch {}
        }
    }

    // ----------------------------------------------------------------------------------------------- hostile disputes

    function _challengeAggregate(uint256 round) private {
        _announce(abi.encode(IDisputes.Kind.AGGREGATE, round, uint32(0)));
        _bond();
        try _court.challengeAggregate{value: BOND}(round, 0, PROOF) {
            ++happened[uint256(Happening.DISPUTED)];
        } catch {
            paidIn -= BOND;
        }
    }

    function _challengeAvailability(uint256 round) private {
        _answer(); // so that never more are open than are answered at once
        _announce(abi.encode(IDisputes.Kind.AVAILABILITY, round, address(0), uint32(0)));
        bytes32 start = mirrors[round].committed;
        _bond();
        try _court.challengeAvailability{value: BOND}(
            round, address(0), 0, start, new IDisputes.Commitment[](0), _aggregateRoot(), PROOF
        ) {
            ++happened[uint256(Happening.DISPUTED)];
        } catch {
            paidIn -= BOND;
        }
    }

    function _challengeEquivocation(uint256 round, uint256 seed) private {
        address account = _anybody(seed >> 64);
        _announce(abi.encode(IDisputes.Kind.EQUIVOCATION, round, account));
        IDisputes.SignedUpdate memory first = IDisputes.SignedUpdate(1, PROOF, 1, PROOF, abi.encode(seed));
        IDisputes.SignedUpdate memory second = IDisputes.SignedUpdate(1, RESULT, 1, PROOF, new bytes(65));
        _bond();
        try _court.challengeEquivocation{value: BOND}(round, account, first, second, PROOF) {
            violation = "convicted without signatures";
        } catch {
            paidIn -= BOND;
        }
    }

    function _challengeOmission(uint256 round, uint256 seed) private {
        address account = _anybody(seed >> 64);
        _announce(abi.encode(IDisputes.Kind.OMISSION, round, account));
        _bond();
        try _court.challengeOmission{value: BOND}(round, account, 1, PROOF, new bytes(65), PROOF) {
            violation = "convicted without a receipt";
        } catch {
            paidIn -= BOND;
        }
    }

    function _announce(bytes memory content) private {
        VM.prank(STRANGER);
        _court.announce(keccak256(abi.encode(STRANGER, keccak256(content), PROOF)));
        VM.roll(height() + 1);
    }

    /// @dev The next call is a challenge by the stranger with its bond.
    function _bond() private {
        VM.deal(STRANGER, BOND);
        paidIn += BOND;
        VM.prank(STRANGER);
    }

    // -------------------------------------------------------------------------------------------------------- parties

    function _anybody(uint256 seed) private view returns (address) {
        return _accounts[seed % _accounts.length];
    }

    function _newcomer(IFederation.Role role) private returns (address account) {
        account = address(uint160(0x10000 + _newcomers++));
        admit(account, role);
        _accounts.push(account);
    }

    function _join(IFederation.Role role) private {
        address account = _newcomer(role);
        uint256 stake = stakeOf(role);
        VM.deal(account, stake);
        VM.prank(account);
        federation.registerIdentity{value: stake}(certificateOf(account), sealingKeyOf(account));
        paidIn += stake;
    }

    /// @dev Somebody joins where too few are left.
    function _fill() private {
        _fillRole(IFederation.Role.AGGREGATOR, 2, PLACES);
        _fillRole(IFederation.Role.PARTICIPANT, PARTICIPANTS, PLACES);
        _fillRole(IFederation.Role.TRUSTEE, TRUSTEES, SHARES);
    }

    function _fillRole(IFederation.Role role, uint256 wanted, uint256 most) private {
        uint256 count = federation.countOf(role);
        uint256 active;
        for (uint256 i = 0; i < count; ++i) {
            IFederation.Status status = federation.identityOf(federation.accountAt(role, i)).status;
            if (status == IFederation.Status.ACTIVE) ++active;
        }
        if (active < wanted && count < most) _join(role);
    }

    function _place(address account) private view returns (bytes32) {
        (IFederation.Role role, uint8 index,,,) = federation.seatOf(account);
        return keccak256(abi.encode(role, uint256(index)));
    }

    function _leaf() private pure returns (bytes memory) {
        return "the only ciphertext of the aggregate";
    }

    function _aggregateRoot() private pure returns (bytes32) {
        bytes[] memory leaves = new bytes[](1);
        leaves[0] = _leaf();
        return MerkleTree.root(leaves);
    }

    // ---------------------------------------------------------------------------------------------------- observation

    /// @dev Compares what can still change, and one round that cannot, with the last observation.
    function _observe() private {
        mirrorLogs(address(federation));
        uint256 last = federation.lastRound();
        uint256 running;
        for (uint256 round = _firstUndecided; round <= last; ++round) {
            if (_compare(round)) ++running;
        }
        if (running > 1) violation = "two rounds at once";
        if (_firstUndecided > 1) _compare(1 + _observations++ % (_firstUndecided - 1));
        while (_firstUndecided <= last && _isTerminal(_seen[_firstUndecided].phase)) {
            ++_firstUndecided;
        }
        for (uint256 i = 0; i < _accounts.length; ++i) {
            _compareIdentity(_accounts[i]);
        }
    }

    /// @dev Returns whether the round runs.
    function _compare(uint256 round) private returns (bool) {
        IFederation.Round memory r = federation.roundOf(round);
        IFederation.Round memory old = _seen[round];
        if (old.phase != r.phase) ++reached[uint256(r.phase)];
        if (!_mayFollow(old.phase, r.phase)) violation = "a phase went back or was skipped";
        if (_isTerminal(old.phase) && keccak256(abi.encode(old)) != keccak256(abi.encode(r))) {
            violation = "an ended round changed";
        }
        if (!_onlyWrittenOnce(old, r)) violation = "a written slot was rewritten";
        if (old.committed & ~r.committed != 0 || r.committed & ~r.selected != 0) violation = "committed set";
        if (old.attested & ~r.attested != 0 || r.accepted & ~r.committed != 0) violation = "sets";
        _seen[round] = r;
        return _isRunning(r.phase);
    }

    /// @dev Nobody comes back, and nobody is slashed but by a verdict.
    function _compareIdentity(address account) private {
        IFederation.Identity memory identity = federation.identityOf(account);
        IFederation.Status old = _status[account];
        _status[account] = identity.status;
        if (identity.status == old) return;
        if (!_statusMayFollow(old, identity.status)) violation = "a status went back";
        if (identity.status != IFederation.Status.SLASHED) return;
        if (!_convicted[_place(account)]) violation = "slashed without a verdict";
        if (identity.stake != 0) violation = "slashed, and still something at stake";
    }

    function _statusMayFollow(IFederation.Status from, IFederation.Status to) private pure returns (bool) {
        if (to == IFederation.Status.ADMITTED) return from == IFederation.Status.NONE;
        if (to == IFederation.Status.ACTIVE) return from <= IFederation.Status.ADMITTED;
        if (to == IFederation.Status.LEAVING) return from == IFederation.Status.ACTIVE;
        if (to == IFederation.Status.LEFT) return from == IFederation.Status.LEAVING;
        if (to == IFederation.Status.REVOKED) return from <= IFederation.Status.LEAVING;
        if (to == IFederation.Status.RETIRED) return from == IFederation.Status.ACTIVE;
        return to == IFederation.Status.SLASHED;
    }

    function _isTerminal(IFederation.Phase phase) private pure returns (bool) {
        return phase >= IFederation.Phase.SETTLED;
    }

    function _isRunning(IFederation.Phase phase) private pure returns (bool) {
        return phase >= IFederation.Phase.COMMIT && phase <= IFederation.Phase.DECRYPT;
    }

    /// @dev One action moves a round by at most one phase.
    function _mayFollow(IFederation.Phase from, IFederation.Phase to) private pure returns (bool) {
        if (from == to) return true;
        if (to == IFederation.Phase.ABORTED) return _isRunning(from);
        if (to == IFederation.Phase.VOIDED) return _isRunning(from) || from == IFederation.Phase.FINALIZED;
        return to <= IFederation.Phase.SETTLED && uint256(to) == uint256(from) + 1;
    }

    function _onlyWrittenOnce(IFederation.Round memory old, IFederation.Round memory r)
        private
        pure
        returns (bool)
    {
        bytes32[12] memory before = _writtenOnce(old);
        bytes32[12] memory now_ = _writtenOnce(r);
        for (uint256 i = 0; i < before.length; ++i) {
            if (before[i] != 0 && before[i] != now_[i]) return false;
        }
        bool sameRunner = old.aggregator == address(0) || old.aggregator == r.aggregator;
        return sameRunner || (!old.takenOver && r.takenOver);
    }

    function _writtenOnce(IFederation.Round memory r) private pure returns (bytes32[12] memory) {
        bytes32 opening = keccak256(abi.encode(r.quorum, r.ciphertexts, r.baseRound, r.commitDeadline));
        return [
            r.aggregator == address(0) ? bytes32(0) : opening,
            bytes32(r.selected),
            bytes32(r.accepted),
            r.specHash,
            r.aggregateHash,
            r.modelHash,
            r.head,
            bytes32(uint256(r.challengeEnd)),
            bytes32(uint256(r.reward)),
            bytes32(uint256(r.abortReason)),
            bytes32(uint256(r.takenOver ? 1 : 0)),
            r.phase >= IFederation.Phase.DECRYPT ? bytes32(r.committed) : bytes32(0)
        ];
    }
}
