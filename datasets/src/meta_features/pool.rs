//! Examples at another size: means over cells.

/// The values of an example on a grid of another size, each side cut into cells of as equal a width as can be. A grid finer
/// than the example repeats values.
///
/// # Shapes
/// `values` is `[channels, height, width]`, the answer `[channels, grid[0], grid[1]]`.
pub(super) fn pool(values: &[f32], [channels, height, width]: [usize; 3], grid: [usize; 2]) -> Vec<f32> {
    if grid == [height, width] {
        return values.to_vec();
    }
    let cell = |at: usize, side: usize, cells: usize| {
        let start = at * side / cells;
        start..((at + 1) * side / cells).max(start + 1)
    };
    let mut pooled = Vec::with_capacity(channels * grid[0] * grid[1]);
    for channel in 0..channels {
        for y in 0..grid[0] {
            for x in 0..grid[1] {
                let (rows, columns) = (cell(y, height, grid[0]), cell(x, width, grid[1]));
                let n = (rows.len() * columns.len()) as f64;
                let line = |row: usize| (channel * height + row) * width;
                let sum: f64 = rows
                    .flat_map(|row| values[line(row) + columns.start..line(row) + columns.end].iter())
                    .map(|value| f64::from(*value))
                    .sum();
                pooled.push((sum / n) as f32);
            }
        }
    }
    pooled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_means_and_finer_grids_repeat() {
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(pool(&image, [1, 2, 4], [1, 2]), [3.5, 5.5]);
        assert_eq!(pool(&image, [2, 2, 2], [1, 1]), [2.5, 6.5]);
        assert_eq!(pool(&[1.0, 2.0, 6.0], [1, 1, 3], [1, 2]), [1.0, 4.0]);
        assert_eq!(pool(&[1.0, 2.0], [1, 1, 2], [2, 4]), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }
}
