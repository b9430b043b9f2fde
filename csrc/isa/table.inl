// Builds one Table. The including file sets PAG_VEC_BYTES, PAG_ISA_NAME and PAG_TABLE.
#include "isa/table.h"

#include "isa/affine.inl"
#include "isa/conv.inl"
#include "isa/conv_lanes.inl"
#include "isa/conv_plane.inl"
#include "isa/elementwise.inl"
#include "isa/gemm.inl"
#include "isa/grid.inl"
#include "isa/limits.inl"
#include "isa/norm.inl"
#include "isa/optim.inl"
#include "isa/pool_average.inl"
#include "isa/pool_max.inl"
#include "isa/pool_windows.inl"
#include "isa/reduce.inl"
#include "isa/resample.inl"
#include "isa/softmax.inl"
#include "isa/winograd.inl"

#include "isa/cross_entropy.inl"  // after softmax.inl
#include "isa/move.inl"           // after gemm.inl

namespace pag {

extern const Table PAG_TABLE;
const Table PAG_TABLE = {
    PAG_ISA_NAME,
    {
#define LOOPS_any(name)                                                                 \
  {loop_##name<float>, loop_##name<double>, loop_##name<int64_t>, loop_##name<int32_t>, \
   loop_##name<uint8_t>},
#define LOOPS_real(name) {loop_##name<float>, loop_##name<double>, nullptr, nullptr, nullptr},
#define LOOPS_power LOOPS_real
#define LOOPS_test LOOPS_any
#define LOOPS_cast LOOPS_any
// The values are moved as they are: what counts is their size.
#define LOOPS_choice(name)                                                                 \
  {loop_##name<int32_t>, loop_##name<int64_t>, loop_##name<int64_t>, loop_##name<int32_t>, \
   loop_##name<uint8_t>},
#define UNARY(name, domain, expression) LOOPS_##domain(name)
#define BINARY UNARY
#define TERNARY UNARY
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
    },
    {{affine_row<float>}, {affine_row<double>}},
#define REDUCE(T)                                                                                  \
  {                                                                                                \
    sum_each<T>, sum_rows<T>, {extreme_each<T, false>, extreme_each<T, true>}, find_contiguous<T>, \
    {                                                                                              \
      extreme_columns<T, false>, extreme_columns<T, true>                                          \
    }                                                                                              \
  }
    {REDUCE(float), REDUCE(double)},
#undef REDUCE
#define SOFTMAX(T)                                                   \
  {                                                                  \
    {softmax_rows<T, false>, softmax_rows<T, true>},                 \
        {softmax_columns<T, false>, softmax_columns<T, true>},       \
        {softmax_grad_rows<T, false>, softmax_grad_rows<T, true>}, { \
      softmax_grad_columns<T, false>, softmax_grad_columns<T, true>  \
    }                                                                \
  }
    {SOFTMAX(float), SOFTMAX(double)},
#undef SOFTMAX
#define CROSS_ENTROPY(T) \
  {exp_sum_rows<T>, exp_sum_columns<T>, scaled_exp_rows<T>, scaled_exp_columns<T>}
    {CROSS_ENTROPY(float), CROSS_ENTROPY(double)},
#undef CROSS_ENTROPY
#define POOL(T)                                                                       \
  {max_pool_plane<T, uint8_t>, max_pool_plane<T, int32_t>, max_pool_2x2<T>,           \
   max_pool_2x2_scatter<T>,    max_pool_pairs<T>,          max_pool_pairs_scatter<T>, \
   max_pool_lines<T>,          max_pool_windows<T>,        average_whole<T>,          \
   average_whole_grad<T>,      average_plane<T>,           average_plane_grad<T>}
    {POOL(float), POOL(double)},
#undef POOL
#define NORM(T)               \
  {norm_moments<T>,           \
   norm_apply<T>,             \
   norm_grad_sums<T>,         \
   norm_grad<T>,              \
   norm_rows<T>,              \
   norm_grad_rows<T>,         \
   norm_row_statistics<T>,    \
   norm_apply_runs<T>,        \
   norm_grad_sums_runs<T>,    \
   norm_grad_runs<T>,         \
   norm_moments_columns<T>,   \
   norm_apply_columns<T>,     \
   norm_grad_sums_columns<T>, \
   norm_grad_columns<T>}
    {NORM(float), NORM(double)},
#undef NORM
    {{sgd_step<float>, adam_step<float>, adaptive_step<float>},
     {sgd_step<double>, adam_step<double>, adaptive_step<double>}},
    {PAG_GEMM_LOOPS(float), PAG_GEMM_LOOPS(double)},
    {PAG_CONV_LOOPS(float), PAG_CONV_LOOPS(double)},
    {PAG_CONV_LANE_LOOPS(float), PAG_CONV_LANE_LOOPS(double)},
    {PAG_CONV_PLANE_LOOPS(float), PAG_CONV_PLANE_LOOPS(double)},
    {{transpose<float>}, {transpose<double>}},
    {{resample_columns<float>, resample_rows<float>},
     {resample_columns<double>, resample_rows<double>}},
#define GRID(T)                                                                \
  {grid_weights<T>,   grid_read_line<T>, grid_read_block<T>, grid_add_line<T>, \
   grid_add_block<T>, grid_dot_line<T>,  grid_dot_block<T>}
    {GRID(float), GRID(double)},
#undef GRID
    all_within,
    copy_bytes,
    {{fma_loop<float>, 2 * kFmaChains * kLanes<float>},
     {fma_loop<double>, 2 * kFmaChains * kLanes<double>}},
    PAG_WINOGRAD_LOOPS,
};

}  // namespace pag
