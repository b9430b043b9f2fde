// Convolutions whose vectors run along groups.
#pragma once
#include "isa/conv.inl"
#include "isa/conv_groups.h"

namespace {

using pag::GroupProducts;

// P runs of Q results. S: their sources are so many vectors apart; 0 is any distance.
template <class T, int P, int Q, int S>
void group_tile(const GroupProducts<T>& g, const T* x, T* out) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> acc[P][Q] = {};
  const GatherTerm* term = g.terms;
  for (int64_t kk = g.k; kk > 0; --kk, ++term) {
    const Vec<T> b = vload(g.b + term->b);
    const T* run = x + term->x;
    PAG_UNROLL
    for (int p = 0; p < P; ++p, run += g.x_run) {
      const T* at = run;
      PAG_UNROLL
      for (int q = 0; q < Q; ++q) {
        acc[p][q] = vfma(vload(at), b, acc[p][q]);
        if (S)
          at += S * L;
        else
          at += g.x_step;
      }
    }
  }
  PAG_UNROLL
  for (int p = 0; p < P; ++p) PAG_UNROLL
  for (int q = 0; q < Q; ++q) {
    T* to = out + p * g.out_run + q * g.out_step;
    vstore(to, acc[p][q] + vload(g.start ? g.start : to));
  }
}

// Most results of a run, and of a tile: their sums and one vector of b fit the registers.
constexpr int kGroupRun = 8, kGroupTile = 10;
constexpr int kGroupRuns = 3;
template <int P, int Q>
constexpr int kRunsThatFit = P * Q <= kGroupTile ? P : kGroupTile / Q > 1 ? kGroupTile / Q : 1;

template <class T>
using GroupFn = void (*)(const GroupProducts<T>&, const T*, T*);

#define PAG_GROUP_TILES(P, S)                                                                     \
  {group_tile<T, kRunsThatFit<P, 1>, 1, S>, group_tile<T, kRunsThatFit<P, 2>, 2, S>,              \
   group_tile<T, kRunsThatFit<P, 3>, 3, S>, group_tile<T, kRunsThatFit<P, 4>, 4, S>,              \
   group_tile<T, kRunsThatFit<P, 5>, 5, S>, group_tile<T, kRunsThatFit<P, 6>, 6, S>,              \
   group_tile<T, kRunsThatFit<P, 7>, 7, S>, group_tile<T, kRunsThatFit<P, 8>, 8, S>}
#define PAG_GROUP_RUNS(S) {PAG_GROUP_TILES(1, S), PAG_GROUP_TILES(2, S), PAG_GROUP_TILES(3, S)}
template <class T>
void group_products(const GroupProducts<T>& g) {
  constexpr int64_t L = kLanes<T>;
  static const GroupFn<T> tiles[3][kGroupRuns][kGroupRun] = {PAG_GROUP_RUNS(0), PAG_GROUP_RUNS(1),
                                                             PAG_GROUP_RUNS(2)};
  const int step = g.x_step == L ? 1 : g.x_step == 2 * L ? 2 : 0;
  const auto& of_step = tiles[step];
  int64_t width, left = (g.count + kGroupRun - 1) / kGroupRun;  // tiles of equal width, or one less
  for (int64_t q = 0; left > 0; q += width, --left) {
    width = (g.count - q + left - 1) / left;
    const int64_t fitting = kGroupTile / width;
    const int64_t most = fitting < 1 ? 1 : fitting < kGroupRuns ? fitting : kGroupRuns;
    int64_t height, below = (g.runs + most - 1) / most;
    for (int64_t p = 0; below > 0; p += height, --below) {
      height = (g.runs - p + below - 1) / below;
      of_step[height - 1][width - 1](g, g.x + p * g.x_run + q * g.x_step,
                                     g.out + p * g.out_run + q * g.out_step);
    }
  }
}
#undef PAG_GROUP_RUNS
#undef PAG_GROUP_TILES

template <class T>
void group_to_lanes(int64_t n, int lanes, const T* x, int64_t x_lane, const int64_t* places,
                    T* out) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < n;) {
    const int64_t left = n - i;
    if (left < L && n >= L) i = n - L;  // some pixels once more
    const int width = static_cast<int>(n < L ? n : L);
    Vec<T> block[L];
    PAG_UNROLL
    for (int l = 0; l < L; ++l)
      block[l] = l < lanes ? vload_lanes(x + l * x_lane + i, width) : Vec<T>{};
    vtranspose<T>(block);
    PAG_UNROLL
    for (int l = 0; l < L; ++l)
      if (l < width) vstore(out + places[i + l], block[l]);
    i += L;
  }
}

}  // namespace

#define PAG_CONV_GROUP_LOOPS(T) {group_products<T>, group_to_lanes<T>}
